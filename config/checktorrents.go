package config

import (
	"fmt"
	"strconv"
	"strings"
)

// torrents checks what torrents are made of and where they wait.
func (c *checker) torrents() {
	names := map[string]string{}
	for i, t := range c.r.Torrents {
		at := fmt.Sprintf("torrents[%d]", i)
		c.once(names, "torrents", string(t.Name), at)
		refer(c, at+".images", "matrix of images", "images", t.Images, c.r.Images, func(x *Images) Name { return x.Name })
		dirs := []area{{"held", t.Held}, {"data", t.Data}, {"publish", t.Publish}}
		for n, a := range dirs {
			if !c.plain(at+"."+a.name, a.place) {
				continue
			}
			for _, b := range dirs[:n] {
				if b.place != "" && c.overlap(a.place, b.place) {
					c.fail(at+"."+a.name, fmt.Sprintf("%s (%s) and %s (%s) overlap", b.name, b.place, a.name, a.place), "give each a directory of its own: what lies in publish is seeded at once")
				}
			}
		}
		if c.sound(at+".trackers") && len(t.Trackers) == 0 {
			c.fail(at+".trackers", "no tracker", "write at least one, such as udp://tracker.example.org:1337/announce")
		}
		for n, tracker := range t.Trackers {
			if place := fmt.Sprintf("%s.trackers[%d]", at, n); c.sound(place) {
				c.url(place, tracker, "udp", "http", "https")
			}
		}
		if c.given(at + ".comment") {
			c.words(at+".comment", t.Comment)
			c.expands(at+".comment", t.Comment, "arch", "variant", "revision_")
		}
		if c.given(at+".piece") && c.sound(at+".piece") && !isPiece(t.Piece) {
			c.fail(at+".piece", quoted(t.Piece)+" is no size of a piece", "write a power of two from 16KiB to 64MiB, such as 1MiB")
		}
	}
}

// isPiece tells whether a size is one that clients of torrents take.
func isPiece(s string) bool {
	for unit, shift := range map[string]int{"KiB": 10, "MiB": 20} {
		if digits, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			size := n << shift
			return err == nil && n&(n-1) == 0 && size >= 16<<10 && size <= 64<<20
		}
	}
	return false
}

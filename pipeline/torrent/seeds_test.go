package torrent_test

import (
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
)

// tracker is a tracker of UDP, which knows so many seeds of every torrent.
type tracker struct {
	seeds uint32
	says  string // an error, in place of answers
	lose  int    // first datagrams that get lost
	stray bool   // it answers another question first
	short bool   // it answers too little
}

// start lets the tracker answer, until the test ends.
func (k tracker) start(t *testing.T) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	serving.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if k.lose--; k.lose >= 0 || n < 16 {
				continue
			}
			head := append(make([]byte, 0, 8), buf[8:16]...) // action and number
			if k.stray {
				conn.WriteTo(append(append([]byte{}, head[:4]...), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), from)
				conn.WriteTo([]byte{1}, from)
			}
			answer := head
			switch action := binary.BigEndian.Uint32(head); {
			case k.says != "":
				answer = append(append([]byte{0, 0, 0, 3}, head[4:]...), k.says...)
			case action == 0 && binary.BigEndian.Uint64(buf) == 0x41727101980:
				answer = append(answer, "CONNECT!"...)
			case action == 2 && string(buf[:8]) == "CONNECT!":
				for range (n - 16) / 20 {
					answer = binary.BigEndian.AppendUint32(answer, k.seeds)
					answer = append(answer, make([]byte, 8)...)
				}
			}
			if k.short {
				answer = answer[:len(answer)-1]
			}
			conn.WriteTo(answer, from)
		}
	})
	return "udp://" + conn.LocalAddr().String() + "/announce"
}

func TestSeeds(t *testing.T) {
	for name, tc := range map[string]struct {
		trackers []tracker
		words    string
		seeds    string
	}{
		"one":           {[]tracker{{seeds: 3}}, "", "3 seeds"},
		"the second":    {[]tracker{{}, {seeds: 2}}, "", "2 seeds"},
		"one is silly":  {[]tracker{{says: "no \x1b[2J"}, {seeds: 1}}, "", "1 seeds"},
		"lost":          {[]tracker{{seeds: 3, lose: 1}}, "", "3 seeds"},
		"stray answers": {[]tracker{{seeds: 3, stray: true}}, "", "3 seeds"},
		"no seed":       {[]tracker{{}}, "2 of 2 torrents have no seed: " + boot, "0 seeds"},
		"refused":       {[]tracker{{says: "no \x1b[2J"}}, `no tracker answers: ask 127.0.0.1:`, "0 seeds"},
		"too short":     {[]tracker{{seeds: 3, short: true}}, "it answers too little", "0 seeds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var urls []string
			for _, k := range tc.trackers {
				urls = append(urls, `"`+k.start(t)+`"`)
			}
			w.torrents = strings.Replace(defaults, `"udp://a.example:1337/announce", "udp://b.example:80/announce"`, strings.Join(urls, ", "), 1)
			w.must("torrent.make")
			_, _, err := w.run("torrent.seeds")
			wants(t, err, "is not published")
			w.must("torrent.publish")
			_, ev, err := w.run("torrent.seeds")
			wants(t, err, tc.words)
			if ev[dvd] != tc.seeds || err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%v %v", ev, err)
			}
		})
	}
}

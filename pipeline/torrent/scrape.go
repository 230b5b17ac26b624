package torrent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"gantry/config"
)

// Actions of the protocol of UDP trackers (BEP 15).
const (
	actConnect = 0
	actScrape  = 2
	actError   = 3

	magic     = 0x41727101980 // names the protocol
	mostAsked = 70            // torrents in one question
)

// scrape asks a tracker how many have each torrent whole.
func scrape(ctx context.Context, conn net.Conn, hashes [][20]byte) ([]uint32, error) {
	question := binary.BigEndian.AppendUint64(nil, magic)
	answer, err := exchange(ctx, conn, question, actConnect)
	if err != nil {
		return nil, err
	}
	if len(answer) < 8 {
		return nil, errors.New("it answers too little")
	}
	var all []uint32
	for len(all) < len(hashes) {
		some := hashes[len(all):min(len(hashes), len(all)+mostAsked)]
		answer, err := exchange(ctx, conn, answer[:8:8], actScrape, some...)
		if err != nil {
			return nil, err
		}
		if len(answer) < 12*len(some) {
			return nil, errors.New("it does not answer for every torrent")
		}
		for i := range some { // seeders, how often completed, leechers
			all = append(all, binary.BigEndian.Uint32(answer[12*i:]))
		}
	}
	return all, nil
}

// exchange sends a question, again and again since datagrams get lost, and
// returns what comes after the head of its answer. Datagrams that answer another
// question are passed over.
func exchange(ctx context.Context, conn net.Conn, id []byte, action uint32, hashes ...[20]byte) ([]byte, error) {
	question := binary.BigEndian.AppendUint32(bytes.Clone(id), action)
	number := make([]byte, 4)
	rand.Read(number) // it never fails
	question = append(question, number...)
	for _, h := range hashes {
		question = append(question, h[:]...)
	}
	buf := make([]byte, 2048)
	for wait := time.Second; ; wait *= 2 {
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		until := time.Now().Add(wait)
		for {
			if err := conn.SetReadDeadline(until); err != nil {
				return nil, err
			}
			if ctx.Err() != nil { // it may have ended before the deadline was set
				return nil, ctx.Err()
			}
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				break
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			if n < 8 || !bytes.Equal(buf[4:8], number) {
				continue
			}
			switch is := binary.BigEndian.Uint32(buf); is {
			case action:
				return bytes.Clone(buf[8:n]), nil
			case actError:
				return nil, fmt.Errorf("it says %q", config.Inert(string(buf[8:min(n, 200)])))
			}
		}
	}
}

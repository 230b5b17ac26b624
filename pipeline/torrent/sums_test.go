package torrent

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
)

// sums are the pieces of some bytes and the SHA-256 of others, in the plainest way.
func sums(whole []byte, size int, image []byte) (pieces []byte, digest string) {
	for ; len(whole) > 0; whole = whole[min(size, len(whole)):] {
		sum := sha1.Sum(whole[:min(size, len(whole))])
		pieces = append(pieces, sum[:]...)
	}
	sum := sha256.Sum256(image)
	return pieces, hex.EncodeToString(sum[:])
}

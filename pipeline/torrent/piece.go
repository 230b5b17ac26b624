package torrent

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"gantry/config"
)

// Sizes of pieces, in bytes: those that we choose, and those that may be chosen.
const (
	leastPiece, mostPiece      = 256 << 10, 16 << 20
	smallestPiece, hugestPiece = 16 << 10, 64 << 20
)

// pieceSize is the size of the pieces of so many bytes: the smallest power of two
// that makes no more than 2000 of them, so that most images have 1000 to 2000. It
// is never below 256 KiB nor above 16 MiB, which old clients refuse.
func pieceSize(total int64) int64 {
	size := int64(leastPiece)
	for size < mostPiece && (total+size-1)/size > 2000 {
		size *= 2
	}
	return size
}

// parsePiece reads a size of pieces such as 512KiB or 4MiB; none is 0.
func parsePiece(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	shift := 10
	number, ok := strings.CutSuffix(text, "KiB")
	if !ok {
		shift = 20
		number, ok = strings.CutSuffix(text, "MiB")
	}
	n, err := strconv.ParseUint(number, 10, 20)
	size := int64(n) << shift
	if !ok || err != nil || bits.OnesCount64(uint64(size)) != 1 || size < smallestPiece || size > hugestPiece {
		return 0, config.Hint(fmt.Errorf("%q is no size of a piece", config.Inert(text)), "write a power of two from 16KiB to 64MiB, such as 4MiB, or leave it out")
	}
	return size, nil
}

package storage

import "time"

// Hurry makes retries come at once.
func (s *S3) Hurry() { s.wait = time.Millisecond }

// CopyInParts makes every copy one of parts of that size.
func (s *S3) CopyInParts(size int64) { s.copyWhole = size }

// SlotsInUse is how many slots of uploads are taken.
func SlotsInUse() int { return len(slots.free) }

// ContentRange, PartOf and ListedKey are what FuzzForeign tries.
var (
	ContentRange = contentRange
	PartOf       = partOf
	MostParts    = int64(mostParts)
)

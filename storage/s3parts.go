package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	partsAtOnce = 4     // of one object
	mostParts   = 10000 // of one object, the protocol's limit
	filePart    = 32 << 20
)

// part is one piece of an object, and what to do when the server has it.
type part struct {
	body
	done func()
}

// cut makes parts one after another, for the caller alone; io.EOF ends them.
type cut struct {
	size int64 // of each but the last
	next func(ctx context.Context) (part, error)
	give func()                                    // takes back what was not asked for
	sum  func(ctx context.Context) (string, error) // SHA-256 of the whole, where it can be had beforehand; nil where not
}

// cutFile cuts a source that can be read at any place, into parts large enough
// for their number.
func cutFile(at io.ReaderAt, size int64) cut {
	c := cut{size: filePart, give: func() {}}
	for c.size*mostParts < size {
		c.size *= 2
	}
	from := int64(0)
	c.next = func(context.Context) (part, error) {
		if from >= size {
			return part{}, io.EOF
		}
		p := part{body: body{at: at, from: from, size: min(c.size, size-from)}, done: func() {}}
		from += p.size
		return p, nil
	}
	c.sum = func(ctx context.Context) (string, error) {
		b, err := hashed(ctx, at, 0, size)
		return hex.EncodeToString(b.sum[:]), err
	}
	return c
}

// cutStream cuts a stream into slots, the first of which is full already.
func cutStream(r io.Reader, first *[]byte) cut {
	over := false
	take := func(slot *[]byte, n int) part {
		return part{body: bytesBody((*slot)[:n]), done: func() { giveSlot(slot) }}
	}
	return cut{
		size: slotSize,
		give: func() {
			if first != nil {
				giveSlot(first)
			}
		},
		next: func(ctx context.Context) (part, error) {
			if first != nil {
				slot := first
				first = nil
				return take(slot, slotSize), nil
			}
			if over {
				return part{}, io.EOF
			}
			slot, err := takeSlot(ctx)
			if err != nil {
				return part{}, err
			}
			n, err := io.ReadFull(r, *slot)
			over = err != nil
			if over && err != io.ErrUnexpectedEOF {
				giveSlot(slot)
				return part{}, err // io.EOF at the end
			}
			return take(slot, n), nil
		},
	}
}

// parts writes an object in parts, several at a time. What was sent for one
// that is not completed is taken back.
func (s *S3) parts(ctx context.Context, key string, c cut, cond Condition) (Object, error) {
	doing := "write " + key
	defer c.give()
	// Spare the upload where the condition does not hold anyway.
	if cond != Always {
		switch is, err := s.Stat(ctx, key); {
		case err == nil && cond.absent:
			return Object{}, errors.Join(fmt.Errorf("%s: %w", doing, ErrExists), drain(ctx, c))
		case cond.version != "" && (errors.Is(err, ErrNotFound) || err == nil && is.Version != cond.version):
			return Object{}, errors.Join(fmt.Errorf("%s: %w", doing, ErrConflict), drain(ctx, c))
		case err != nil && !errors.Is(err, ErrNotFound):
			return Object{}, err
		}
	}
	return s.assemble(ctx, key, c, cond)
}

// assemble is parts, without the look beforehand.
func (s *S3) assemble(ctx context.Context, key string, c cut, cond Condition) (Object, error) {
	doing := "write " + key
	mine := nonce()
	in := &s3.CreateMultipartUploadInput{Metadata: map[string]string{metaNonce: mine, metaPart: strconv.FormatInt(c.size, 10)}}
	in.Bucket, in.Key = s.at(key)
	if s.checksums {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	if c.sum != nil {
		sum, err := c.sum(ctx)
		if err != nil {
			return Object{}, fmt.Errorf("read what is to be %s: %w", key, err)
		}
		in.Metadata[metaSHA256] = sum
	}
	up, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return Object{}, s.refusedUpload(doing, err)
	}
	s.seen.Store(true)
	u := &upload{s: s, key: key, id: up.UploadId}
	if err := u.send(ctx, c); err != nil {
		if statusOf(err) == 0 && ctx.Err() == nil {
			err = fmt.Errorf("%s: %w", doing, err) // of the source, or put into words already
		} else {
			err = s.refusedUpload(doing, err)
		}
		return Object{}, errors.Join(err, u.abort(ctx))
	}
	return u.complete(ctx, doing, mine, c.size, cond)
}

// drain reads a source to its end: others hash it on the way.
func drain(ctx context.Context, c cut) error {
	for {
		p, err := c.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p.done()
	}
}

// upload is an object on its way in parts.
type upload struct {
	s    *S3
	key  string
	id   *string
	size int64

	mu    sync.Mutex
	parts []types.CompletedPart
	sums  [][sha256.Size]byte
}

// send sends all parts.
func (u *upload) send(ctx context.Context, c cut) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(partsAtOnce)
	for number := int32(1); ; number++ {
		p, err := c.next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil && number > mostParts {
			p.done()
			err = fmt.Errorf("more than %d parts of %d bytes: give it as a file, whose size is known", mostParts, c.size)
		}
		if err != nil {
			if sent := all.Wait(); sent != nil {
				return sent // it ended the context that the source was read under
			}
			return err
		}
		u.mu.Lock()
		u.parts = append(u.parts, types.CompletedPart{})
		u.sums = append(u.sums, [sha256.Size]byte{})
		u.mu.Unlock()
		u.size += p.size
		all.Go(func() error {
			defer p.done()
			return u.sendPart(ctx, number, p.body)
		})
	}
	return all.Wait()
}

func (u *upload) sendPart(ctx context.Context, number int32, b body) error {
	if b.sum == [sha256.Size]byte{} { // of a file, read once more when it is sent
		var err error
		if b, err = hashed(ctx, b.at, b.from, b.size); err != nil {
			return fmt.Errorf("read part %d: %w", number, err)
		}
	}
	in := &s3.UploadPartInput{UploadId: u.id, PartNumber: aws.Int32(number), Body: b.reader(), ContentLength: aws.Int64(b.size)}
	in.Bucket, in.Key = u.s.at(u.key)
	done := types.CompletedPart{PartNumber: aws.Int32(number)}
	if u.s.checksums {
		in.ChecksumSHA256 = aws.String(b.base64())
		done.ChecksumSHA256 = in.ChecksumSHA256
	}
	out, err := u.s.client.UploadPart(ctx, in, b.sign(u.s.checksums))
	if err != nil {
		return u.s.refusedUpload(fmt.Sprintf("part %d", number), err)
	}
	done.ETag = out.ETag
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[number-1], u.sums[number-1] = done, b.sum
	return nil
}

// abort takes back what was sent, also after the context ended.
func (u *upload) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	in := &s3.AbortMultipartUploadInput{UploadId: u.id}
	in.Bucket, in.Key = u.s.at(u.key)
	_, err := u.s.client.AbortMultipartUpload(ctx, in)
	if codeOf(err) == "NoSuchUpload" || statusOf(err) == http.StatusNotFound {
		return nil
	}
	return u.s.fail("take back the parts of "+u.key, err)
}

// complete makes the parts an object, under the condition.
func (u *upload) complete(ctx context.Context, doing, mine string, size int64, cond Condition) (Object, error) {
	s := u.s
	in := &s3.CompleteMultipartUploadInput{UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}}
	in.Bucket, in.Key = s.at(u.key)
	in.IfNoneMatch, in.IfMatch = cond.headers()
	want := expected{part: size, composite: composite(u.sums)}
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		o, err := s.settle(ctx, doing, u.key, mine, cond, err)
		if err != nil {
			return Object{}, errors.Join(err, u.abort(ctx))
		}
		return o, s.readBack(ctx, o, u.size, want)
	}
	o := Object{Key: u.key, Size: u.size, Version: etag(out.ETag), Modified: written(out.ResultMetadata)}
	if s.checksums && o.Version != "" && aws.ToString(out.ChecksumSHA256) == want.composite {
		return o, nil
	}
	// Some keep the checksum and do not say so in this answer.
	is, err := s.head(ctx, u.key)
	if err != nil {
		return o, err
	}
	if o, err = described(u.key, is); err != nil {
		return o, err
	}
	if is.Metadata[metaNonce] != mine {
		return o, fmt.Errorf("%s: %w, right after it was written", doing, ErrConflict)
	}
	if s.checksums && o.Size == u.size && aws.ToString(is.ChecksumSHA256) == want.composite {
		return o, nil
	}
	return o, s.readBack(ctx, o, u.size, want)
}

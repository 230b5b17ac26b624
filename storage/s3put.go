package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// What objects say of themselves, in their metadata.
const (
	metaNonce  = "gantry-nonce"  // of the write, so that it is known again after a lost reply
	metaSHA256 = "gantry-sha256" // of the whole, in hex, where the server keeps no such checksum
	metaPart   = "gantry-part"   // bytes of each part but the last, from which its checksum of checksums follows
)

// wholeMost is the largest source that is sent in one request when it can be
// read twice.
const wholeMost = 64 << 20

// Put writes an object; what it returns is on the server, compared by SHA-256.
// It reads r to its end also where the condition does not hold. A source that
// is a file, or can be read at any place like one, is read twice and held in no
// memory. A reply that was lost is found again by looking; an error that says
// nothing of a condition leaves open whether the object was written.
func (s *S3) Put(ctx context.Context, key string, r io.Reader, c Condition) (Object, error) {
	if err := CheckKey(key); err != nil {
		return Object{}, err
	}
	if c != Always {
		if err := s.Conditional(ctx); err != nil {
			return Object{}, err
		}
	}
	return s.put(ctx, key, r, c)
}

func (s *S3) put(ctx context.Context, key string, r io.Reader, c Condition) (Object, error) {
	unread := func(err error) error { return fmt.Errorf("read what is to be %s: %w", key, err) }
	if at, size, ok := sized(r); ok {
		parts := size > wholeMost
		if parts {
			var err error
			if parts, err = s.mayCut(ctx, c); err != nil {
				return Object{}, err
			}
		}
		if parts {
			return s.parts(ctx, key, cutFile(at, size), c)
		}
		b, err := hashed(ctx, at, 0, size)
		if err != nil {
			return Object{}, unread(err)
		}
		return s.whole(ctx, key, b, c)
	}
	r = source{reader{ctx, r}}
	small := chunks.Get().(*[]byte)
	n, err := io.ReadFull(r, *small)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		defer chunks.Put(small)
		return s.whole(ctx, key, bytesBody((*small)[:n]), c)
	}
	if err != nil {
		chunks.Put(small)
		return Object{}, unread(err)
	}
	slot, err := takeSlot(ctx)
	if err != nil {
		chunks.Put(small)
		return Object{}, fmt.Errorf("write %s: %w", key, err)
	}
	copy(*slot, *small)
	chunks.Put(small)
	m, err := io.ReadFull(r, (*slot)[n:])
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		defer giveSlot(slot)
		return s.whole(ctx, key, bytesBody((*slot)[:n+m]), c)
	case err != nil:
		giveSlot(slot)
		return Object{}, unread(err)
	}
	parts, err := s.mayCut(ctx, c)
	if err != nil {
		giveSlot(slot)
		return Object{}, err
	}
	if parts {
		return s.parts(ctx, key, cutStream(r, slot), c)
	}
	file, err := spool(ctx, io.MultiReader(bytes.NewReader(*slot), r))
	giveSlot(slot)
	if err != nil {
		return Object{}, unread(err)
	}
	defer file.Close()
	return s.put(ctx, key, file, c)
}

// source is a stream that is read by io.ReadFull, which says io.ErrUnexpectedEOF
// of a short rest. So do streams that were cut off, such as those of HTTP: what
// they say must not pass for their end.
type source struct{ r io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it was cut off: %w", err)
	}
	return n, err
}

// mayCut tells whether an object may be written in parts under a condition. What
// may not goes in one request, however large it is.
func (s *S3) mayCut(ctx context.Context, c Condition) (bool, error) {
	if c == Always {
		return true, nil
	}
	return s.conditionalParts(ctx)
}

// body is what one request sends.
type body struct {
	at   io.ReaderAt
	from int64
	size int64
	sum  [sha256.Size]byte
}

func bytesBody(b []byte) body {
	return body{at: bytes.NewReader(b), size: int64(len(b)), sum: sha256.Sum256(b)}
}

// hashed is a piece of a source that is read now, and once more when it is sent.
func hashed(ctx context.Context, at io.ReaderAt, from, size int64) (body, error) {
	h := sha256.New()
	b := body{at: at, from: from, size: size}
	if err := copyAll(ctx, h, b.reader()); err != nil {
		return b, err
	}
	h.Sum(b.sum[:0])
	return b, nil
}

func (b body) reader() io.ReadSeeker { return io.NewSectionReader(b.at, b.from, b.size) }

// base64 is the SHA-256 as headers have it.
func (b body) base64() string { return base64.StdEncoding.EncodeToString(b.sum[:]) }

// sign chooses what the signature covers: the header with the SHA-256, or the
// SHA-256 itself. Either way the server compares.
func (b body) sign(checksums bool) func(*s3.Options) {
	if checksums {
		return unsigned.option
	}
	return payload(hex.EncodeToString(b.sum[:])).option
}

// sized finds the rest of a source that can be read at any place.
func sized(r io.Reader) (io.ReaderAt, int64, bool) {
	f, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		return nil, 0, false
	}
	from, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0, false // a pipe
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end < from {
		return nil, 0, false
	}
	return io.NewSectionReader(f, from, end-from), end - from, true
}

// whole writes an object in one request.
func (s *S3) whole(ctx context.Context, key string, b body, c Condition) (Object, error) {
	in := &s3.PutObjectInput{Body: b.reader(), ContentLength: aws.Int64(b.size), Metadata: map[string]string{}}
	in.Bucket, in.Key = s.at(key)
	mine := ""
	if c != Always {
		mine = nonce()
		in.Metadata[metaNonce] = mine
		in.IfNoneMatch, in.IfMatch = c.headers()
	}
	if s.checksums {
		in.ChecksumSHA256 = aws.String(b.base64())
	} else {
		in.Metadata[metaSHA256] = hex.EncodeToString(b.sum[:])
	}
	doing := "write " + key
	want := expected{sha256: b.sum[:]}
	out, err := s.client.PutObject(ctx, in, b.sign(s.checksums))
	if err != nil {
		o, err := s.settle(ctx, doing, key, mine, c, err)
		if err != nil {
			return Object{}, err
		}
		return o, s.readBack(ctx, o, b.size, want)
	}
	s.seen.Store(true)
	o := Object{Key: key, Size: b.size, Version: etag(out.ETag), Modified: written(out.ResultMetadata)}
	if o.Version == "" {
		return o, fmt.Errorf("%s: the server gives no ETag", doing)
	}
	if s.checksums && aws.ToString(out.ChecksumSHA256) == b.base64() {
		return o, nil
	}
	return o, s.readBack(ctx, o, b.size, want)
}

// headers are a condition as requests have it.
func (c Condition) headers() (ifNoneMatch, ifMatch *string) {
	switch {
	case c.absent:
		return aws.String("*"), nil
	case c.version != "":
		return nil, aws.String(`"` + c.version + `"`) // of one without ETag: never true
	}
	return nil, nil
}

// written is the server's time of an answer, which is when it wrote the object,
// give or take a second.
func written(m middleware.Metadata) time.Time {
	at, ok := awsmiddleware.GetServerTime(m)
	if !ok {
		at = time.Now()
	}
	return at.UTC().Truncate(time.Second)
}

// settle decides what came of a write that ended with an error: it may have
// been done all the same by a request whose reply was lost. The nonce tells;
// without one the error stands.
func (s *S3) settle(ctx context.Context, doing, key, mine string, c Condition, err error) (Object, error) {
	failed := s.refusedUpload(doing, err)
	status, code := statusOf(err), codeOf(err)
	lost := c != Always && (status == http.StatusPreconditionFailed || status == http.StatusConflict ||
		status == http.StatusNotFound && c.version != "" && code != "NoSuchBucket" && code != "NoSuchUpload")
	if lost {
		failed = fmt.Errorf("%s: %w", doing, ErrConflict)
		if c.absent {
			failed = fmt.Errorf("%s: %w", doing, ErrExists)
		}
	}
	// What was refused for another reason was not done, except by an upload in
	// parts whose reply was lost: it is not there any more.
	if mine == "" || ctx.Err() != nil || !lost && status >= 400 && status < 500 && code != "NoSuchUpload" {
		return Object{}, failed
	}
	out, looked := s.head(ctx, key)
	switch {
	case looked == nil && out.Metadata[metaNonce] == mine:
		return described(key, out)
	case looked != nil && !errors.Is(looked, ErrNotFound) && !lost:
		return Object{}, fmt.Errorf("%w; whether it was written is not known", failed)
	}
	return Object{}, failed
}

// readBack compares what the server has now with what was sent.
func (s *S3) readBack(ctx context.Context, o Object, size int64, want expected) error {
	doing := "read back " + o.Key
	out, err := s.get(ctx, o.Key, "", o.Version)
	if err != nil {
		return s.fail(doing, err)
	}
	r, is, err := s.body(ctx, o.Key, Range{}, out)
	if err != nil {
		return s.fail(doing, err)
	}
	defer r.Close()
	if is.Size != size {
		return fmt.Errorf("%s: %d bytes instead of %d", doing, is.Size, size)
	}
	r.check = want.verifier() // ours, whatever the server says
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Open reads an object, or a part of it. A connection that drops is taken up
// again where it ended; an object that changed by then is ErrConflict. What the
// server or the writer knows of the bytes of a whole object is compared, and
// what differs is an error at the last byte.
func (s *S3) Open(ctx context.Context, key string, r Range) (io.ReadCloser, Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, Object{}, err
	}
	if r.Offset < 0 || r.Length < 0 {
		return nil, Object{}, fmt.Errorf("read %s: a range from %d of %d bytes", key, r.Offset, r.Length)
	}
	doing := "read " + key
	out, err := s.get(ctx, key, r.header(), "")
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable || codeOf(err) == "InvalidRange" {
		o, err := s.Stat(ctx, key) // as of a file: there is nothing behind its end
		if err == nil && r.Offset < o.Size {
			err = fmt.Errorf("%s: %w, while it was read", doing, ErrConflict)
		}
		if err != nil {
			return nil, Object{}, err
		}
		return io.NopCloser(strings.NewReader("")), o, nil
	}
	if err != nil {
		return nil, Object{}, s.fail(doing, err)
	}
	b, o, err := s.body(ctx, key, r, out)
	if err != nil {
		return nil, Object{}, fmt.Errorf("%s: %w", doing, err)
	}
	return b, o, nil
}

// header is a range as requests have it; empty for all.
func (r Range) header() string {
	switch {
	case r == Range{}:
		return ""
	case r.Length == 0:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	}
	return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
}

// get asks for the bytes of an object, of one version where that is given.
func (s *S3) get(ctx context.Context, key, ranged, version string) (*s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{}
	in.Bucket, in.Key = s.at(key)
	if ranged != "" {
		in.Range = aws.String(ranged)
	}
	if version != "" {
		in.IfMatch = quoted(version)
	}
	out, err := s.client.GetObject(ctx, in, s.withChecksums)
	if err != nil {
		return nil, err
	}
	s.seen.Store(true)
	if quoted(version) != nil && version != "" && etag(out.ETag) != version { // not all servers heed it
		out.Body.Close()
		return nil, fmt.Errorf("%w, while it was read", ErrConflict)
	}
	return out, nil
}

// body is what an answer holds of an object. It is closed where there is an
// error.
func (s *S3) body(ctx context.Context, key string, r Range, out *s3.GetObjectOutput) (*s3Reader, Object, error) {
	o := Object{Key: key, Modified: second(out.LastModified)}
	length := aws.ToInt64(out.ContentLength)
	from, err := int64(0), error(nil)
	switch {
	case out.ContentLength == nil || length < 0:
		err = errors.New("the server gives no size")
	case out.ContentRange != nil:
		from, o.Size, err = contentRange(*out.ContentRange, length)
	default:
		o.Size = length
	}
	if err == nil && from != r.Offset {
		err = errors.New("the server gives another range than it was asked for")
	}
	if err != nil {
		out.Body.Close()
		return nil, o, err
	}
	o.Version = versionOf(out.ETag, o.Modified, o.Size)
	b := &s3Reader{ctx: ctx, s: s, object: o, at: from, end: from + length, body: out.Body}
	if r.Length > 0 {
		b.end = min(b.end, r.Offset+r.Length)
	}
	if b.end == o.Size && out.ContentRange == nil {
		b.check = expectedOf(out).verifier()
	}
	return b, o, nil
}

// contentRange reads the header of that name, for an answer of that length: the
// first byte, and the size of the whole.
func contentRange(h string, length int64) (from, size int64, err error) {
	bad := fmt.Errorf("the server gives a range of %.100q for %d bytes", h, length)
	rest, ok := strings.CutPrefix(h, "bytes ")
	first, rest, ok2 := strings.Cut(rest, "-")
	last, all, ok3 := strings.Cut(rest, "/")
	if !ok || !ok2 || !ok3 {
		return 0, 0, bad
	}
	var n [3]int64
	for i, s := range []string{first, last, all} {
		if n[i], err = strconv.ParseInt(s, 10, 64); err != nil || n[i] < 0 {
			return 0, 0, bad
		}
	}
	if n[0] > n[1] || n[1] >= n[2] || n[1]-n[0]+1 != length {
		return 0, 0, bad
	}
	return n[0], n[2], nil
}

// s3Reader reads an object, over as many connections as it takes.
type s3Reader struct {
	ctx    context.Context
	s      *S3
	object Object
	at     int64 // of the object
	end    int64
	body   io.ReadCloser
	check  *verifier
	tries  int // since the last byte
	err    error
}

// Read implements io.Reader.
func (r *s3Reader) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.at == r.end {
			r.over()
			break
		}
		if r.body == nil && !r.resume() {
			break
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		r.check.Write(p[:n])
		if n > 0 {
			r.tries = 0
		}
		if r.at < r.end && err != nil {
			r.dropped(err)
		}
		if r.at == r.end {
			if r.over(); r.err != io.EOF {
				return n, r.err
			}
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// over compares what was read, at its end.
func (r *s3Reader) over() {
	r.err = io.EOF
	if err := r.check.compare(); err != nil {
		r.err = fmt.Errorf("read %s: %w", r.object.Key, err)
	}
}

// dropped puts a connection that ended too early away.
func (r *s3Reader) dropped(err error) {
	r.body.Close() // it is broken already
	r.body = nil
	if r.ctx.Err() != nil {
		err = r.ctx.Err()
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if r.tries++; r.tries >= attempts || r.ctx.Err() != nil {
		r.err = r.s.fail("read "+r.object.Key, err)
	}
}

// resume goes on where the last connection ended; it tells whether it can.
func (r *s3Reader) resume() bool {
	if r.tries > 0 {
		select {
		case <-time.After(r.s.backoff(r.tries - 1)):
		case <-r.ctx.Done():
		}
	}
	part := Range{Offset: r.at, Length: r.end - r.at}
	out, err := r.s.get(r.ctx, r.object.Key, part.header(), r.object.Version)
	if status := statusOf(err); status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable || status == http.StatusNotFound {
		err = fmt.Errorf("%w, while it was read", ErrConflict)
	}
	var b *s3Reader
	if err == nil {
		b, _, err = r.s.body(r.ctx, r.object.Key, part, out)
	}
	if err == nil && (b.end != r.end || b.object.Version != r.object.Version) {
		b.Close()
		err = fmt.Errorf("%w, while it was read", ErrConflict)
	}
	if err != nil {
		r.err = r.s.fail("read "+r.object.Key, err)
		return false
	}
	r.body = b.body
	return true
}

// WriteTo writes what is left, in chunks as large as hashing likes them.
func (r *s3Reader) WriteTo(w io.Writer) (int64, error) {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	var total int64
	for {
		n, err := 0, error(nil)
		for n < len(*buf) && err == nil { // a network brings little at a time, files like much
			var m int
			m, err = r.Read((*buf)[n:])
			n += m
		}
		if n > 0 {
			m, bad := w.Write((*buf)[:n])
			total += int64(m)
			if bad != nil {
				return total, bad
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close ends reading.
func (r *s3Reader) Close() error {
	if r.err == nil {
		r.err = errors.New("it is closed")
	}
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

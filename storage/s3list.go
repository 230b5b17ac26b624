package storage

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"gantry/config"
)

// List yields the objects whose keys start with prefix, in key order. The next
// page is on its way while one is looked at; no more are held. Names that no key
// could have are yielded too, to be shown and never opened; those of folders
// that other programs made, which are empty and end in '/', are not.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return s.listing(ctx, prefix, "")
}

// Level yields the objects whose keys start with prefix and have no '/' behind
// it, and one Object with a key that ends in '/', and nothing else, for all those
// that have the same name up to there.
func (s *S3) Level(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return s.listing(ctx, prefix, "/")
}

func (s *S3) listing(ctx context.Context, prefix, delimiter string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		pages := make(chan page)
		go func() {
			defer close(pages)
			s.list(ctx, prefix, delimiter, pages)
		}()
		defer func() {
			cancel()
			for range pages { // its sender is over when it is closed
			}
		}()
		last := ""
		for p := range pages {
			for _, o := range p.objects {
				if o.Key <= last {
					yield(Object{}, fmt.Errorf("list %s: the server does not list in the order of keys: %s comes after %s", s.Address(), config.Inert(o.Key), config.Inert(last)))
					return
				}
				last = o.Key
				if strings.HasSuffix(o.Key, "/") && o.Version != "" {
					if o.Size == 0 {
						continue
					}
					o.Link = true
				}
				if !yield(o, nil) {
					return
				}
			}
			if p.err != nil {
				yield(Object{}, s.fail("list "+s.Address(), p.err))
				return
			}
		}
	}
}

// mostEmpty is how many answers in a row may hold nothing and say that there is
// more: some servers skip what was deleted that way.
const mostEmpty = 1000

// page is one answer.
type page struct {
	objects []Object
	err     error
}

// list sends the pages, the last of them with the error that ended it. Whoever
// asked reads until they are closed.
func (s *S3) list(ctx context.Context, prefix, delimiter string, pages chan<- page) {
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(s.bucket), Prefix: aws.String(s.prefix + prefix),
		EncodingType: types.EncodingTypeUrl, // else one control character in a name breaks the XML
	}
	if delimiter != "" {
		in.Delimiter = aws.String(delimiter)
	}
	for empty := 0; ; {
		out, err := s.ask(ctx, in)
		if err != nil {
			pages <- page{err: err}
			return
		}
		objects, err := s.objects(out, prefix)
		more := aws.ToBool(out.IsTruncated)
		if next := aws.ToString(out.NextContinuationToken); err == nil && more && (next == "" || next == aws.ToString(in.ContinuationToken)) {
			err = odd("the server says that there is more, and not where")
		}
		if empty++; len(objects) > 0 {
			empty = 0
		}
		if err == nil && empty > mostEmpty {
			err = odd("the server says that there is more, and sends %d pages without anything", empty)
		}
		in.ContinuationToken = out.NextContinuationToken
		pages <- page{objects, err}
		if err != nil || !more {
			return
		}
	}
}

// ask sends one request for a list. What answers it but is no list, such as the
// page of a web server, is an error: it must not pass for an empty bucket.
func (s *S3) ask(ctx context.Context, in *s3.ListObjectsV2Input, options ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out, err := s.client.ListObjectsV2(ctx, in, options...)
	if err != nil {
		return nil, err
	}
	if out.IsTruncated == nil && out.Name == nil && out.KeyCount == nil && out.MaxKeys == nil && len(out.Contents) == 0 {
		return nil, config.Hint(odd("what answers there is no list of objects"), "check endpoint and bucket of the store")
	}
	s.seen.Store(true)
	return out, nil
}

// objects are the objects of an answer.
func (s *S3) objects(out *s3.ListObjectsV2Output, prefix string) ([]Object, error) {
	encoded := out.EncodingType == types.EncodingTypeUrl
	all := make([]Object, 0, len(out.Contents)+len(out.CommonPrefixes))
	for i := range out.Contents {
		c := &out.Contents[i]
		key, err := s.listedKey(c.Key, prefix, encoded)
		if err != nil {
			return all, err
		}
		if key == "" {
			continue // the folder itself
		}
		o := Object{Key: key, Modified: second(c.LastModified), Size: aws.ToInt64(c.Size)}
		if c.Size == nil || o.Size < 0 {
			return all, odd("the server gives no size of %s", config.Inert(key))
		}
		o.Version = versionOf(c.ETag, o.Modified, o.Size)
		all = append(all, o)
	}
	if len(out.CommonPrefixes) == 0 {
		return all, nil
	}
	for _, c := range out.CommonPrefixes {
		key, err := s.listedKey(c.Prefix, prefix, encoded)
		if err != nil {
			return all, err
		}
		if !strings.HasSuffix(key, "/") {
			return all, odd("the server lists %s as a folder", config.Inert(key))
		}
		all = append(all, Object{Key: key})
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// listedKey is a key as the server has it, without the prefix of the store. One
// that does not start with what was asked for is an error: whoever removes what
// lies below a prefix must not hear of other keys.
func (s *S3) listedKey(listed *string, prefix string, encoded bool) (string, error) {
	key := aws.ToString(listed)
	if encoded {
		plain, err := url.QueryUnescape(key)
		if err != nil {
			return "", odd("the server lists %s, which is no encoded name", config.Inert(key))
		}
		key = plain
	}
	below, ok := strings.CutPrefix(key, s.prefix)
	if !ok || !strings.HasPrefix(below, prefix) {
		return "", odd("the server lists %s, which was not asked for", config.Inert(key))
	}
	return below, nil
}

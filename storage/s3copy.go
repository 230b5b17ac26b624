package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// copyPart is the size of the parts that large objects are copied in.
const copyPart = 512 << 20

// Copy copies an object on the server, over whatever is there; ErrNotFound where
// there is none, ErrConflict where it changed on the way. That the bytes are the
// same is the server's word: sizes are compared here, and the SHA-256 where both
// have one.
func (s *S3) Copy(ctx context.Context, from, to string) (Object, error) {
	doing := "copy " + from + " to " + to
	source, err := s.head(ctx, from)
	if err == nil {
		err = CheckKey(to)
	}
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", doing, err)
	}
	was, err := described(from, source)
	if err != nil {
		return Object{}, err
	}
	if was.Size > s.copyWhole {
		err = s.copyParts(ctx, was, to, source)
	} else {
		in := &s3.CopyObjectInput{CopySource: s.source(from), CopySourceIfMatch: quoted(was.Version)}
		in.Bucket, in.Key = s.at(to)
		_, err = s.client.CopyObject(ctx, in)
	}
	if err != nil {
		return Object{}, s.fail(doing, err)
	}
	copied, err := s.head(ctx, to)
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", doing, err)
	}
	is, err := described(to, copied)
	if err != nil {
		return Object{}, err
	}
	a, b := aws.ToString(source.ChecksumSHA256), aws.ToString(copied.ChecksumSHA256)
	whole := a != "" && b != "" && !strings.Contains(a+b, "-")
	if is.Size != was.Size || whole && a != b {
		return Object{}, fmt.Errorf("%s: %w: the copy is not the same", doing, ErrConflict)
	}
	return is, nil
}

// source names an object in the header of a copy.
func (s *S3) source(key string) *string {
	segments := strings.Split(s.bucket+"/"+s.prefix+key, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return aws.String(strings.ReplaceAll(strings.Join(segments, "/"), "+", "%2B"))
}

// copyParts copies an object that is too large for one request.
func (s *S3) copyParts(ctx context.Context, was Object, to string, source *s3.HeadObjectOutput) error {
	size := min(copyPart, s.copyWhole)
	in := &s3.CreateMultipartUploadInput{Metadata: maps.Clone(source.Metadata), ContentType: source.ContentType}
	in.Bucket, in.Key = s.at(to)
	// Servers do not agree on the checksum of parts that they copied themselves:
	// that of the whole goes along instead, where it is known.
	if sum := checksum(aws.ToString(source.ChecksumSHA256), sha256.Size); sum != nil {
		if in.Metadata == nil {
			in.Metadata = map[string]string{}
		}
		in.Metadata[metaSHA256] = hex.EncodeToString(sum)
	}
	delete(in.Metadata, metaPart)
	up, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	u := &upload{s: s, key: to, id: up.UploadId, parts: make([]types.CompletedPart, (was.Size-1)/size+1)}
	all, part := errgroup.WithContext(ctx)
	all.SetLimit(partsAtOnce)
	for i := range u.parts {
		all.Go(func() error {
			first := int64(i) * size
			in := &s3.UploadPartCopyInput{
				UploadId: u.id, PartNumber: aws.Int32(int32(i) + 1),
				CopySource: s.source(was.Key), CopySourceIfMatch: quoted(was.Version),
				CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, min(first+size, was.Size)-1)),
			}
			in.Bucket, in.Key = s.at(to)
			out, err := s.client.UploadPartCopy(part, in)
			if err != nil {
				return err
			}
			if out.CopyPartResult == nil {
				return errors.New("the server says nothing of the part that it copied")
			}
			u.parts[i] = types.CompletedPart{PartNumber: in.PartNumber, ETag: out.CopyPartResult.ETag}
			return nil
		})
	}
	err = all.Wait()
	if err == nil {
		done := &s3.CompleteMultipartUploadInput{UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}}
		done.Bucket, done.Key = s.at(to)
		_, err = s.client.CompleteMultipartUpload(ctx, done)
	}
	if err != nil {
		return errors.Join(err, u.abort(ctx))
	}
	return nil
}

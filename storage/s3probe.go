package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"gantry/config"
)

// Conditional tries once whether the server keeps the promises that journals
// and pointers rest on: of two creations if-absent the second fails, and so does
// the replacement of a version that is not there any more. Every conditional Put
// asks it first. It writes one object beside the others, and deletes it.
func (s *S3) Conditional(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conditional {
		return nil
	}
	if err := s.probe(ctx); err != nil {
		return fmt.Errorf("try conditional writes on %s: %w", s.Address(), err)
	}
	s.conditional = true
	return nil
}

func (s *S3) probe(ctx context.Context) (err error) {
	key := "probe-" + nonce()
	// All of one length: some servers make ETags of time and size.
	put := func(text string, c Condition) (Object, error) {
		return s.whole(ctx, key, bytesBody([]byte(text+" of "+key)), c)
	}
	defer func() {
		if bad := s.forget(ctx, key); err == nil {
			err = bad
		}
	}()
	refuse := func(why string) error {
		return config.Hint(errors.New(why+"; it cannot hold a journal or a pointer"),
			"use a server that heeds If-None-Match and If-Match of PutObject, or put this on a directory")
	}
	const ignores = "the server ignores conditional writes"
	if _, err := put("0", IfMatch("d41d8cd98f00b204e9800998ecf8427e")); err == nil {
		return refuse(ignores)
	} else if !errors.Is(err, ErrConflict) {
		return err
	}
	first, err := put("1", IfAbsent)
	if err != nil {
		return err
	}
	if _, err := put("2", IfAbsent); err == nil {
		return refuse(ignores)
	} else if !errors.Is(err, ErrExists) {
		return err
	}
	second, err := put("3", IfMatch(first.Version))
	if err != nil {
		return err
	}
	if second.Version == first.Version {
		return refuse("the server gives other bytes the same ETag")
	}
	if _, err := put("4", IfMatch(first.Version)); err == nil {
		return refuse(ignores)
	} else if !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// forget removes what a probe left, also after its context ended.
func (s *S3) forget(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	in := &s3.DeleteObjectInput{}
	in.Bucket, in.Key = s.at(key)
	_, err := s.client.DeleteObject(ctx, in)
	return s.fail("remove "+key, err)
}

// conditionalParts tells whether the promises hold for objects in parts too,
// which is tried once: servers may heed conditions of PutObject and ignore those
// of CompleteMultipartUpload.
func (s *S3) conditionalParts(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ofParts == nil {
		heeds, err := s.probeParts(ctx)
		if err != nil {
			return false, fmt.Errorf("try conditional writes in parts on %s: %w", s.Address(), err)
		}
		s.ofParts = &heeds
	}
	return *s.ofParts, nil
}

func (s *S3) probeParts(ctx context.Context) (heeds bool, err error) {
	key := "probe-" + nonce()
	if _, err := s.whole(ctx, key, bytesBody([]byte("whole")), IfAbsent); err != nil {
		return false, err
	}
	defer func() {
		if bad := s.forget(ctx, key); err == nil {
			err = bad
		}
	}()
	for _, c := range []Condition{IfAbsent, IfMatch("d41d8cd98f00b204e9800998ecf8427e")} {
		_, err := s.assemble(ctx, key, cutFile(strings.NewReader("part"), 4), c)
		if status := statusOf(err); err == nil || status == http.StatusNotImplemented || status == http.StatusBadRequest {
			return false, nil
		}
		if !errors.Is(err, ErrExists) && !errors.Is(err, ErrConflict) {
			return false, err
		}
	}
	return true, nil
}

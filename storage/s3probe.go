package storage

import (
	"context"
	"errors"
	"fmt"
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
	put := func(text string, c Condition) (Object, error) {
		return s.whole(ctx, key, bytesBody([]byte(text+" of "+key)), c)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		in := &s3.DeleteObjectInput{}
		in.Bucket, in.Key = s.at(key)
		if _, bad := s.client.DeleteObject(ctx, in); bad != nil && err == nil {
			err = s.fail("remove "+key, bad)
		}
	}()
	refuse := func(why string) error {
		return config.Hint(errors.New(why+"; it cannot hold a journal or a pointer"),
			"use a server that heeds If-None-Match and If-Match of PutObject, or put this on a directory")
	}
	const ignores = "the server ignores conditional writes"
	first, err := put("one", IfAbsent)
	if err != nil {
		return err
	}
	if _, err := put("two", IfAbsent); err == nil {
		return refuse(ignores)
	} else if !errors.Is(err, ErrExists) {
		return err
	}
	second, err := put("three", IfMatch(first.Version))
	if err != nil {
		return err
	}
	if second.Version == first.Version {
		return refuse("the server gives other bytes the same ETag")
	}
	if _, err := put("four", IfMatch(first.Version)); err == nil {
		return refuse(ignores)
	} else if !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

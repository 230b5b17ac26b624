package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"gantry/config"
)

// S3Options say where a bucket is and how to speak to its server.
type S3Options struct {
	Endpoint  string // URL of the server; empty is AWS
	Region    string // empty is what the SDK's own chain says, or us-east-1
	Bucket    string
	Prefix    string // what all keys lie below, without the '/' at its end; may be empty
	PathStyle bool   // the bucket in the path, not in the host name

	AccessKey, SecretKey, SessionToken string // all empty: the SDK's default chain

	// Checksums is "always" (or empty), for the SHA-256 of every upload in a header
	// that the server checks and keeps; or "required", for servers that refuse those
	// headers: what is written is then read back and compared.
	Checksums string
	// Dial opens connections to the server, through a tunnel; nil is the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// S3 is a Store on a bucket of an S3-compatible server. The version of an object
// is its ETag, which servers make from the content of small objects: one that
// gets the bytes back that it had before has its old version again, so bodies
// that are compared by version must hold something that never repeats.
//
// Its methods may be called by many goroutines. The bodies of all uploads
// together, of all S3 values, hold at most 48 MiB in memory (uploadSlots of
// slotSize), and each call at most one chunk of 256 KiB beyond that; sources
// that can be read twice, such as files, hold nothing.
type S3 struct {
	client    *s3.Client
	transport *http.Transport
	endpoint  string // for messages
	tunnelled bool
	bucket    string
	prefix    string // empty, or ends in '/'
	checksums bool   // SHA-256 goes with every upload

	wait      time.Duration // before the first retry
	copyWhole int64         // largest object that the server copies in one request

	seen        atomic.Bool // the bucket was there
	mu          sync.Mutex
	conditional bool  // conditions were tried, and hold
	ofParts     *bool // they hold for objects in parts; nil where that was not tried
}

// OpenS3 makes the client of a bucket. The server is not asked anything yet: see
// Reachable.
func OpenS3(ctx context.Context, o S3Options) (*S3, error) {
	s, err := newS3(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open the bucket %q: %w", o.Bucket, err)
	}
	return s, nil
}

func newS3(ctx context.Context, o S3Options) (*S3, error) {
	if o.Bucket == "" || strings.ContainsAny(o.Bucket, "/\\ ") {
		return nil, errors.New("that is no name of a bucket")
	}
	s := &S3{
		bucket: o.Bucket, endpoint: o.Endpoint, tunnelled: o.Dial != nil,
		wait: 100 * time.Millisecond, copyWhole: 5 << 30,
	}
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		if err := CheckKey(o.Prefix); err != nil {
			return nil, fmt.Errorf("the prefix: %w", err)
		}
		s.prefix = o.Prefix + "/"
	}
	switch o.Checksums {
	case "", "always":
		s.checksums = true
	case "required":
	default:
		return nil, fmt.Errorf("checksums %q: always or required", o.Checksums)
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
			return nil, errors.New("the endpoint is no URL such as http://localhost:9000")
		}
	}
	cfg, err := access(ctx, o)
	if err != nil {
		return nil, err
	}
	client := awshttp.NewBuildableClient()
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		client = b // with AWS_CA_BUNDLE in it
	}
	s.transport = transport(client.GetTransport(), o.Dial)
	cfg.HTTPClient = &http.Client{Transport: s.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.client = s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		c.Retryer = s.retryer()
		c.Logger, c.ClientLogMode = logging.Nop{}, 0 // nothing may write to the terminal
		c.DisableLogOutputChecksumValidationSkipped = true
		// Checksums are made and checked here, over resumed reads too.
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		c.DisableS3ExpressSessionAuth = aws.Bool(true)
		// A clock that is wrong is told, not worked around: ids of snapshots and
		// dates of metadata come from it.
		c.DisableClockSkewCorrection = true
	})
	return s, nil
}

// access is the SDK's configuration with the credentials in it.
func access(ctx context.Context, o S3Options) (aws.Config, error) {
	if o.AccessKey != "" || o.SecretKey != "" || o.SessionToken != "" {
		if o.AccessKey == "" || o.SecretKey == "" {
			return aws.Config{}, config.Hint(errors.New("one of access key and secret key is missing"), "set both access_key and secret_key of the store, or neither")
		}
		region := o.Region
		if region == "" {
			region = "us-east-1"
		}
		return aws.Config{
			Region:      region,
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, o.SessionToken)),
		}, nil
	}
	// The chain asks other servers than the bucket's, so not through the tunnel.
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return cfg, config.Hint(fmt.Errorf("read the AWS configuration of this user: %w", err),
			"mend ~/.aws and the AWS_ variables, or set access_key and secret_key of the store")
	}
	if o.Region != "" {
		cfg.Region = o.Region
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return cfg, nil
}

// Address is where the store is, for messages.
func (s *S3) Address() string {
	at := strings.TrimSuffix(s.bucket+"/"+s.prefix, "/")
	if s.endpoint == "" {
		return "s3://" + at
	}
	return strings.TrimSuffix(s.endpoint, "/") + "/" + at
}

// Close lets go of idle connections.
func (s *S3) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// at is what requests name an object by.
func (s *S3) at(key string) (bucket, full *string) {
	return aws.String(s.bucket), aws.String(s.prefix + key)
}

// etag is a server's ETag as versions have it.
func etag(e *string) string { return strings.Trim(strings.TrimPrefix(aws.ToString(e), "W/"), `"`) }

// undated starts the versions of objects that have no ETag, which some servers
// have where files were laid behind them: time and size. No ETag starts so.
const undated = "no-etag@"

// versionOf is the version of an object as an answer describes it.
func versionOf(e *string, modified time.Time, size int64) string {
	if v := etag(e); v != "" {
		return v
	}
	return fmt.Sprintf("%s%d-%d", undated, modified.Unix(), size)
}

// quoted is a version as conditions of requests have it; nil where there is no
// ETag to compare.
func quoted(version string) *string {
	if strings.HasPrefix(version, undated) {
		return nil
	}
	return aws.String(`"` + version + `"`)
}

// Stat describes one object.
func (s *S3) Stat(ctx context.Context, key string) (Object, error) {
	out, err := s.head(ctx, key)
	if err != nil {
		return Object{}, err
	}
	return described(key, out)
}

// head asks for an object's headers.
func (s *S3) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	in := &s3.HeadObjectInput{}
	in.Bucket, in.Key = s.at(key)
	out, err := s.client.HeadObject(ctx, in, s.withChecksums)
	if err != nil {
		doing := "look at " + key
		// Answers to HEAD have no body, so no reason; a list has one, and tells a
		// bucket that is missing from an object that is.
		if c := statusOf(err); c >= 300 && c < 500 && c != http.StatusNotFound || c == http.StatusNotFound && !s.seen.Load() {
			if why := s.list1(ctx); why != nil {
				return nil, s.fail(doing, why)
			}
		}
		return nil, s.fail(doing, err)
	}
	s.seen.Store(true)
	return out, nil
}

func described(key string, out *s3.HeadObjectOutput) (Object, error) {
	o := Object{Key: key, Modified: second(out.LastModified), Size: aws.ToInt64(out.ContentLength)}
	if out.ContentLength == nil || o.Size < 0 {
		return o, fmt.Errorf("look at %s: the server gives no size", key)
	}
	o.Version = versionOf(out.ETag, o.Modified, o.Size)
	return o, nil
}

// second is a time as all answers of a server have it: listings know it better.
func second(t *time.Time) time.Time { return aws.ToTime(t).UTC().Truncate(time.Second) }

// Delete removes an object.
func (s *S3) Delete(ctx context.Context, key string) error {
	if _, err := s.head(ctx, key); err != nil { // servers do not say that there was none
		return err
	}
	in := &s3.DeleteObjectInput{}
	in.Bucket, in.Key = s.at(key)
	_, err := s.client.DeleteObject(ctx, in)
	return s.fail("remove "+key, err)
}

// copyAll copies a reader to its end, a chunk at a time, until the context ends.
func copyAll(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{reader{ctx, r}}, *buf)
	return err
}

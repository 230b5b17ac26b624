package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	attempts = 7               // of each request: the waits between them add up to some 6 s
	maxWait  = 5 * time.Second // between two of them
	stalled  = 3 * time.Minute // without a byte: the connection is given up
)

// transport is how the server is reached.
func transport(t *http.Transport, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 64, 64, 128
	t.ResponseHeaderTimeout = stalled // where the connection has no deadlines
	t.WriteBufferSize, t.ReadBufferSize = 32<<10, 32<<10
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false // many connections are faster than one
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if dial != nil {
		t.Proxy = nil
	} else {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return impatient{c}, nil
	}
	return t
}

// impatient is a connection on which a peer that says nothing for long is an
// error. Those of SSH tunnels have no deadlines; they end with the tunnel.
type impatient struct{ net.Conn }

func (c impatient) Read(p []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(stalled))
	return c.Conn.Read(p)
}

func (c impatient) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(stalled))
	return c.Conn.Write(p)
}

// retryer tries again what may go well the next time: dropped connections,
// servers that are busy or starting, conditions that two writers met at once.
func (s *S3) retryer() aws.Retryer {
	return awsretry.NewStandard(func(o *awsretry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxWait
		o.Backoff = awsretry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return s.backoff(attempt), nil })
		o.RateLimiter = ratelimit.None
		o.Retryables = append([]awsretry.IsErrorRetryable{awsretry.IsErrorRetryableFunc(hopeless)}, o.Retryables...)
		o.Retryables = append(o.Retryables, awsretry.IsErrorRetryableFunc(cutShort), awsretry.RetryableErrorCode{Codes: map[string]struct{}{
			"ConditionalRequestConflict": {}, "OperationAborted": {}, "InternalError": {}, "ServiceUnavailable": {},
		}})
	})
}

// backoff is how long to wait after a try that failed: twice as long each time,
// less up to a half by chance.
func (s *S3) backoff(attempt int) time.Duration {
	d := min(s.wait<<min(attempt, 16), maxWait)
	return d/2 + rand.N(d/2+1)
}

// hopeless finds what stays wrong however often it is tried.
func hopeless(err error) aws.Ternary {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.Is(err, http.ErrSchemeMismatch) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// cutShort finds answers that ended too early.
func cutShort(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// payload makes the signature of a request speak of a body without hashing it
// once more: its SHA-256 was taken already, or goes in a header that is signed.
type payload string

// ID is that of the SDK's own middleware, whose place this one takes.
func (payload) ID() string { return (&v4.ComputePayloadSHA256{}).ID() }

// HandleFinalize sets what the signature covers.
func (p payload) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	return next.HandleFinalize(v4.SetPayloadHash(ctx, string(p)), in)
}

// unsigned is the payload of requests with a checksum in a signed header.
const unsigned = payload("UNSIGNED-PAYLOAD")

func (p payload) option(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		_, err := stack.Finalize.Swap(p.ID(), p)
		return err
	})
}

// withChecksums asks for the checksum of an object, in a header of our own so
// that the SDK does not check it as well.
func (s *S3) withChecksums(o *s3.Options) {
	if s.checksums {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
	}
}

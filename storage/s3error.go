package storage

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gantry/config"
)

// statusOf is the HTTP status of an answer that was an error; 0 where there was
// no answer.
func statusOf(err error) int {
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) && r.Response != nil {
		return r.HTTPStatusCode()
	}
	return 0
}

// codeOf is the error code of an answer, such as NoSuchKey.
func codeOf(err error) string {
	var a smithy.APIError
	if errors.As(err, &a) {
		return a.ErrorCode()
	}
	return ""
}

// said is an error in our words; what it was made of stays within.
type said struct {
	text string
	err  error
}

func (e *said) Error() string { return e.text }
func (e *said) Unwrap() error { return e.err }

// odd is an answer that makes no sense.
func odd(format string, args ...any) error { return &said{text: fmt.Sprintf(format, args...)} }

// fail wraps an error of the server with what was being done, maps it to this
// package's errors, and says what an operator can do.
func (s *S3) fail(doing string, err error) error {
	var done *said
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done), errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict), errors.Is(err, ErrExists):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, context.Canceled):
		return &said{doing + ": " + context.Canceled.Error(), err}
	case errors.Is(err, context.DeadlineExceeded):
		return &said{doing + ": " + context.DeadlineExceeded.Error(), err}
	case statusOf(err) == 0 && codeOf(err) == "":
		return s.unanswered(doing, err)
	}
	return s.refused(doing, err)
}

// unanswered is an error without an answer of the server.
func (s *S3) unanswered(doing string, err error) error {
	if strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity") {
		return config.Hint(&said{fmt.Sprintf("%s: no credentials for %s: %s", doing, s.Address(), config.Inert(root(err).Error())), err},
			"set access_key and secret_key of the store, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	where := s.endpoint
	if where == "" {
		where = "AWS"
	}
	hint := "check the store's endpoint, and that its server runs"
	if s.tunnelled {
		where += " through the tunnel"
		hint = "check the tunnel, the store's endpoint as seen from its far end, and that its server runs"
	}
	var garbled *smithy.DeserializationError
	if errors.As(err, &garbled) {
		return config.Hint(&said{fmt.Sprintf("%s: the answer from %s makes no sense: %s", doing, where, config.Inert(root(err).Error())), err},
			"do it again; where that does not help, check the store's endpoint and what lies between")
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &host) {
		hint = "check the certificate of the server; SSL_CERT_FILE may name that of its authority"
	}
	return config.Hint(&said{fmt.Sprintf("%s: no answer from %s: %s", doing, where, config.Inert(root(err).Error())), err}, hint)
}

// root is the part of an error that says something to people.
func root(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// reasons are what servers say, in words, by error code. %s is the bucket.
var reasons = []struct{ codes, what, hint string }{
	{"NoSuchBucket", "the bucket %s does not exist", "make the bucket, or correct bucket of the store"},
	{"InvalidAccessKeyId InvalidAccessKey XAdminUserNotFound", "the server does not know the access key", "check access_key of the store"},
	{"SignatureDoesNotMatch InvalidSignature", "the server does not accept the signature",
		"check secret_key and region of the store, and that no proxy on the way changes host or headers"},
	{"ExpiredToken ExpiredTokenException TokenRefreshRequired InvalidToken InvalidSecurity", "the credentials are not valid any more", "get new ones, then do it again"},
	{"RequestTimeTooSkewed RequestExpired RequestInTheFuture", "the clock here differs from the server's", "set the clock that is wrong, then do it again"},
	{"PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException", "the bucket %s is in another region", "correct region of the store"},
	{"SlowDown ServiceUnavailable Throttling RequestLimitExceeded", "the server is too busy", "do it again later"},
	{"QuotaExceeded XMinioStorageFull InsufficientStorage StorageFull", "the server has no room left", "make room there, then do it again"},
}

// refused is an error that the server answered with.
func (s *S3) refused(doing string, err error) error {
	status, code, message := statusOf(err), codeOf(err), ""
	var a smithy.APIError
	if errors.As(err, &a) && !echoes(err, a.ErrorMessage()) {
		message = a.ErrorMessage()
	}
	say := func(what, hint string) error {
		text := doing + ": " + what
		if message = config.Inert(message); message != "" && len(message) < 500 {
			text += " (" + message + ")"
		}
		return config.Hint(&said{text, err}, hint)
	}
	for _, r := range reasons {
		for c := range strings.FieldsSeq(r.codes) {
			if c == code {
				return say(strings.ReplaceAll(r.what, "%s", s.bucket)+serverTime(err, code), r.hint)
			}
		}
	}
	switch {
	case code == "NoSuchKey", code == "NotFound", code == "NoSuchVersion", status == http.StatusNotFound && code == "":
		return &said{doing + ": " + ErrNotFound.Error(), errors.Join(ErrNotFound, err)}
	case status == http.StatusPreconditionFailed:
		return &said{doing + ": " + ErrConflict.Error(), errors.Join(ErrConflict, err)}
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return say("access is denied", "let the access key list the bucket "+s.bucket+", and read, write and delete objects in it")
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		return say("the server sends elsewhere", "correct region and endpoint of the store")
	}
	if code == "" {
		code = "no reason"
	}
	return say(fmt.Sprintf("the server answers %d: %s", status, config.Inert(code)), "")
}

// echoes tells whether a server sends back what a request said in confidence.
func echoes(err error, message string) bool {
	var r *smithyhttp.ResponseError
	if !errors.As(err, &r) || r.Response == nil || r.Response.Request == nil {
		return false
	}
	for _, name := range []string{"Authorization", "X-Amz-Security-Token"} {
		if v := r.Response.Request.Header.Get(name); v != "" && strings.Contains(message, v) {
			return true
		}
	}
	return false
}

// serverTime is what a server that complains of the time says that it is.
func serverTime(err error, code string) string {
	var r *smithyhttp.ResponseError
	if !strings.HasPrefix(code, "Request") || !errors.As(err, &r) || r.Response == nil {
		return ""
	}
	at, bad := http.ParseTime(r.Response.Header.Get("Date"))
	if bad != nil {
		return ""
	}
	return ", which says " + at.UTC().Format("2006-01-02 15:04:05 UTC")
}

// refusedUpload is fail for requests that carry checksums: where they may be
// the reason, it names the setting that does without.
func (s *S3) refusedUpload(doing string, err error) error {
	failed := s.fail(doing, err)
	status, code := statusOf(err), codeOf(err)
	if !s.checksums || status < 400 || status == http.StatusForbidden && code != "SignatureDoesNotMatch" {
		return failed
	}
	const knob = "`checksums: required` on the store in release.yaml"
	switch text := strings.ToLower(code + " " + err.Error()); {
	case code == "BadDigest", strings.Contains(code, "ChecksumMismatch"), strings.Contains(code, "SHA256Mismatch"):
		return config.Hint(failed, "the bytes changed on the way, or the file while it was read: do it again; where the server cannot handle checksums set "+knob)
	case code == "SignatureDoesNotMatch":
		return config.Hint(failed, config.HintOf(failed)+"; where only uploads fail, the server may not know checksum headers: set "+knob)
	case code == "NotImplemented", code == "InvalidRequest", code == "InvalidArgument", code == "InvalidDigest", code == "BadRequest",
		status == http.StatusNotImplemented, strings.Contains(text, "checksum"), strings.Contains(text, "x-amz-content-sha256"):
		return config.Hint(failed, "where the server cannot handle checksum headers, set "+knob)
	}
	return failed
}

// list1 asks for one key: the cheapest request whose refusal says why.
func (s *S3) list1(ctx context.Context, options ...func(*s3.Options)) error {
	_, err := s.ask(ctx, &s3.ListObjectsV2Input{
		Bucket: aws.String(s.bucket), Prefix: aws.String(s.prefix), MaxKeys: aws.Int32(1),
	}, options...)
	return err
}

// Reachable tells whether the bucket can be looked at with these credentials:
// nil, or an error that says in words what is wrong.
func (s *S3) Reachable(ctx context.Context) error {
	err := s.list1(ctx, func(o *s3.Options) { o.RetryMaxAttempts = 2 }) // somebody waits for the answer
	if code := codeOf(err); statusOf(err) == http.StatusNotFound && (code == "" || code == "NotFound" || code == "NoSuchKey") {
		return config.Hint(&said{fmt.Sprintf("reach %s: the bucket %s does not exist", s.Address(), s.bucket), err},
			"make the bucket, or correct bucket and endpoint of the store")
	}
	return s.fail("reach "+s.Address(), err)
}

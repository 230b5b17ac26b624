package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"gantry/config"
)

// Variables that hold the credentials of a bucket.
const (
	accessKey    = "AWS_ACCESS_KEY_ID"
	secretKey    = "AWS_SECRET_ACCESS_KEY"
	sessionToken = "AWS_SESSION_TOKEN" // of temporary credentials alone
)

// Bucket is a bucket of an S3-compatible server that a demo lives in, below a
// prefix of its own. Credentials are those of the environment.
type Bucket struct {
	Endpoint string // URL of the server
	Name     string // made where it is missing

	prefix string
}

// ready makes the bucket where it is missing, and chooses a prefix in it.
func (b *Bucket) ready(ctx context.Context) error {
	if u, err := url.Parse(b.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || config.Inert(b.Endpoint) != b.Endpoint {
		return config.Hint(errors.New("the endpoint of the bucket is not the URL of a server"), "write one such as http://localhost:9000, without credentials")
	}
	for _, name := range []string{accessKey, secretKey} {
		if os.Getenv(name) == "" {
			return config.Hint(fmt.Errorf("the environment has no %s", name), "export the credentials of the server: "+accessKey+" and "+secretKey)
		}
	}
	b.prefix = "demo-" + time.Now().UTC().Format("20060102T150405Z") + "-" + word16()[:8]
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(b.Endpoint), Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv(accessKey), os.Getenv(secretKey), os.Getenv(sessionToken)),
	})
	_, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.Name})
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.Name})
	}
	if err != nil {
		return config.Hint(fmt.Errorf("look for the bucket %s at %s: %w", config.Inert(b.Name), config.Inert(b.Endpoint), err),
			"check the endpoint, the credentials in "+accessKey+" and "+secretKey+", and that they may make a bucket, or make it yourself")
	}
	return nil
}

// region is what servers with an endpoint of their own are told; they do not
// look at it.
const region = "us-east-1"

// place is where an area of the demo is, as release.yaml names it.
func (b *Bucket) place(area string) string { return "store:" + storeName + "/" + b.prefix + "/" + area }

// storeName is what release.yaml calls the bucket.
const storeName = "demo"

// yaml is the bucket in release.yaml.
func (b *Bucket) yaml() string {
	var y strings.Builder
	fmt.Fprintf(&y, `stores:
  - name: %s
    endpoint: %s
    bucket: %s
    access_key: env:%s
    secret_key: env:%s
`, storeName, b.Endpoint, b.Name, accessKey, secretKey)
	if os.Getenv(sessionToken) != "" {
		fmt.Fprintf(&y, "    session_token: env:%s\n", sessionToken)
	}
	y.WriteString("\n")
	return y.String()
}

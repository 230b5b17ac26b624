package oci

import "github.com/google/go-containerregistry/pkg/v1/remote"

// SetBackoff changes the time between attempts until the returned function is
// called.
func SetBackoff(b remote.Backoff) func() {
	was := backoff
	backoff = b
	return func() { backoff = was }
}

// CompareVersions is how versions are compared.
var CompareVersions = compareVersions

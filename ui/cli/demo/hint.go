package demo

import (
	"errors"
	"net"
	"path/filepath"
	"syscall"

	"gantry/config"
)

// Hint is what to do about an error where it comes of the server of the demo in
// dir not being up, "" where it does not.
func Hint(dir string, err error) string {
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Addr == nil || !Made(dir) {
		return ""
	}
	cfg, cerr := config.Load(filepath.Join(dir, "release.yaml"))
	if cerr != nil || op.Addr.String() != homeOf(cfg) {
		return ""
	}
	return "the server of the demo is not up: start it with gantry demo --serve 127.0.0.1:8080 --dir " + word(dir)
}

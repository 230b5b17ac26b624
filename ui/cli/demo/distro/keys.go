package distro

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"gantry/pipeline/sign"
)

// keys makes the key that signs, two days old: the clock of a demo begins before
// now.
func keys(o Options, now time.Time) (*sign.Key, error) {
	at := filepath.Join(o.Dir, "keys")
	if err := os.MkdirAll(at, 0o700); err != nil {
		return nil, fmt.Errorf("make the key: %w", err)
	}
	private, public, err := sign.Generate(o.Product+" demo", "demo@rocky.example", 3072, 0, now.Add(-48*time.Hour))
	if err != nil {
		return nil, fmt.Errorf("make the key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(at, "private.asc"), private, 0o600); err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(at, "public.asc"), public, 0o644); err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return sign.Load(private, nil)
}

// freeAddress is a loopback address that nobody has now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find an address for the demo: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

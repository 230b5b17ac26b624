package storage_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"gantry/storage"
)

// helperEnv makes the test binary act as another process: "<what> <args>".
const helperEnv = "GANTRY_STORAGE_HELPER"

func TestMain(m *testing.M) {
	if helper := os.Getenv(helperEnv); helper != "" {
		if err := help(strings.Fields(helper)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help is what the other process does.
func help(args []string) error {
	switch args[0] {
	case "append": // <dir> <count> <actor>
		return appendMany(args[1], args[2], args[3])
	case "lease": // <dir>: hold a lease until killed
		return holdLease(args[1])
	case "crash": // <point> <dir>: build, flip and remove, killed at the point
		point := args[1]
		storage.OnReach(func(p string) {
			if p == point {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until the signal is here
			}
		})
		return release(context.Background(), args[2])
	}
	return fmt.Errorf("no helper %q", args)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns the value of a call that may not fail here.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func openDir(t testing.TB, path string) *storage.Dir {
	t.Helper()
	d := must(storage.OpenDir(path))(t)
	t.Cleanup(func() { d.Close() })
	return d
}

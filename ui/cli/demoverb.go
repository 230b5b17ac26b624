package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo"
)

// demoFlags are the flags of the demo verb.
type demoFlags struct {
	dir, s3, bucket, registry, serve string
	headless                         bool
}

func (a *app) demoVerb() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo [NAME]", GroupID: groupSetup, Short: "make a small real release and open the console on it",
		Long: `Makes a small real release: packages, keys, release.yaml. It then opens the console
on it, or plays the whole release by itself: --headless, or where there is no
terminal. D must be empty or hold an earlier demo, which is made anew.

rocky is the final release of a distribution, with composes, images, staging,
production, file lists, torrents, mirrors and the bitflip; patch-day is a patch
day of two releases of it. Any other NAME is that of a product with RPM and APT
repositories and an image (default packyard), for which the flags below are.

--s3 keeps state, staging and what is served in a bucket of an S3-compatible
server; credentials are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

--serve gives what a demo serves to dnf, apt and docker, over HTTP at ADDR, with
the subscriber's key that lies in keys/subscriber.key. A demo that is in D already
is served as it is; otherwise one is made and played first. While it serves, other
calls of gantry reach the registry of the demo.`,
		Example: "  gantry demo\n  gantry demo packyard --dir /tmp/demo --headless\n  gantry demo rocky\n  gantry demo patch-day --headless\n  gantry demo --dir /tmp/demo --serve 127.0.0.1:8080",
		Args:    takes(0, 1, "[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "packyard"
			if len(args) == 1 {
				name = args[0]
			}
			return a.demo(cmd.Context(), name, f)
		},
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "where to make it, or where it is (default a new directory among the temporary ones)")
	cmd.Flags().BoolVar(&f.headless, "headless", false, "play the release without a terminal and print what happens")
	cmd.Flags().StringVar(&f.s3, "s3", "", "`ENDPOINT` of an S3-compatible server to keep everything in, such as http://localhost:9000")
	cmd.Flags().StringVar(&f.bucket, "bucket", "gantry-demo", "of --s3, made where it is missing")
	cmd.Flags().StringVar(&f.registry, "registry", "", "`HOST` of a registry to push images to, such as localhost:5000 (default one of the demo's own)")
	cmd.Flags().StringVar(&f.serve, "serve", "", "serve what it serves at `ADDR`, such as 127.0.0.1:8080")
	return cmd
}

// demo makes a demo and shows it, plays it or serves it.
func (a *app) demo(ctx context.Context, name string, f demoFlags) error {
	if _, err := config.ParseName(name); err != nil {
		return &usageError{err.Error()}
	}
	if f.serve != "" {
		if _, _, err := net.SplitHostPort(f.serve); err != nil {
			return &usageError{"--serve wants an address with a port, such as 127.0.0.1:8080"}
		}
	}
	given := f.dir != ""
	if !given && !a.readOnly {
		temp, err := os.MkdirTemp("", "gantry-demo-")
		if err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
		f.dir = temp
	}
	var err error
	if f.dir, err = filepath.Abs(f.dir); err != nil {
		return fmt.Errorf("find the directory of the demo: %w", err)
	}
	a.config = filepath.Join(f.dir, "release.yaml")
	if name == "rocky" || name == "patch-day" {
		if f.s3 != "" || f.registry != "" || f.serve != "" {
			return &usageError{"--s3, --registry and --serve are not for the demo " + name}
		}
		return a.distro(ctx, name == "patch-day", f)
	}
	if f.serve != "" && given && demo.Made(f.dir) {
		return a.serveDemo(ctx, f)
	}
	if a.readOnly {
		return &usageError{"a demo is made, which --read-only forbids"}
	}
	if err := a.makeDemo(ctx, name, f); err != nil {
		return err
	}
	if f.serve == "" && !f.headless && !a.json && a.outTTY && a.inTTY {
		return a.showDemo(ctx, f)
	}
	if err := a.playDemo(ctx, f); err != nil || f.serve == "" {
		return err
	}
	return a.serveDemo(ctx, f)
}

// say is where progress is told.
func (a *app) say() io.Writer {
	if a.json {
		return a.err
	}
	return a.out
}

func (a *app) makeDemo(ctx context.Context, name string, f demoFlags) error {
	o := demo.Options{Dir: f.dir, Product: name, Registry: f.registry, Open: a.openDemo}
	for _, format := range []config.Format{config.FormatRPM, config.FormatDEB, config.FormatOCI} {
		if a.trades.Makers[string(format)] != nil {
			o.Formats = append(o.Formats, format)
		}
	}
	at := f.dir
	if f.s3 != "" {
		o.Bucket = &demo.Bucket{Endpoint: f.s3, Name: f.bucket}
		at += " and at " + config.Inert(f.s3)
	}
	fmt.Fprintf(a.say(), "making a release of %s in %s\n", name, at)
	return demo.Make(ctx, o)
}

// openDemo opens the engine of a demo.
func (a *app) openDemo(ctx context.Context, cfg *config.Release) (*pipeline.Engine, error) {
	return pipeline.Open(ctx, pipeline.Options{Config: cfg, Makers: a.trades.Makers, Trades: a.trades.Formats})
}

// besideServer does something while the server of the demo is up.
func besideServer(ctx context.Context, f demoFlags, do func() error) error {
	server, err := demo.Serve(ctx, f.dir, "", nil)
	if err != nil {
		return err
	}
	err = do()
	return errors.Join(err, server.Close())
}

func (a *app) playDemo(ctx context.Context, f demoFlags) error {
	began := time.Now()
	err := besideServer(ctx, f, func() error {
		return demo.Play(ctx, demo.Stage{Dir: f.dir, Open: a.openDemo, Out: a.say(), Opened: a.signals.drains})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.say(), "played in %s\n", span(time.Since(began)))
	if a.json {
		a.printJSON(doneJSON{Verb: "demo", Path: a.config})
	}
	return nil
}

func (a *app) showDemo(ctx context.Context, f demoFlags) error {
	return besideServer(ctx, f, func() error {
		return a.with(ctx, func(e *pipeline.Engine, cfg *config.Release) error {
			if _, err := e.OpenRelease(ctx, demo.Kind, demo.Version, time.Time{}); err != nil {
				return err
			}
			err := a.screen(ctx, e, cfg, nil)
			fmt.Fprintf(a.out, "the demo stays in %s\n  gantry -C %s\n", f.dir, shell(a.config))
			return err
		})
	})
}

// serveDemo serves a demo until it is told to stop.
func (a *app) serveDemo(ctx context.Context, f demoFlags) error {
	server, err := demo.Serve(ctx, f.dir, f.serve, a.say())
	if err != nil {
		return err
	}
	if host, _, _ := net.SplitHostPort(f.serve); !loopback(host) {
		fmt.Fprintln(a.err, a.paint(a.errTTY, yellow, "warning:"), f.serve, "can be reached from other machines, and the subscriber's key is sent to it in the clear")
	}
	for _, line := range server.About() {
		fmt.Fprintln(a.say(), line)
	}
	err = server.Wait(ctx)
	return errors.Join(err, server.Close())
}

// loopback tells whether a host names this machine alone.
func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

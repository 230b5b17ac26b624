package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func (a *app) setupVerbs() []*cobra.Command {
	return []*cobra.Command{a.demoVerb(), a.initVerb(), a.lintVerb(), a.schemaVerb(), a.versionVerb()}
}

func (a *app) initVerb() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "init NAME", GroupID: groupSetup, Short: "write a commented release.yaml for a product",
		Long: "Writes a commented, working release.yaml for product NAME; -C names another file.\n" +
			"The product rocky is a distribution: trees of several major versions, composes, images,\n" +
			"mirrors and release days. A file that is there is never overwritten. --from takes components and targets from\n" +
			"packyard: its config/packyard.yml, or the answer of GET /api/v1/components.",
		Example: "  gantry init acme\n  gantry init rocky\n  gantry init packyard --from config/packyard.yml",
		Args:    takes(1, 1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			name, err := config.ParseName(args[0])
			if err != nil {
				return &usageError{err.Error()}
			}
			text := config.Example(name)
			if from != "" {
				data, err := readSmall(from)
				if err != nil {
					return fmt.Errorf("read what to begin with: %w", err)
				}
				if text, err = config.FromPackyard(from, data, name); err != nil {
					return err
				}
			}
			if err := writeNew(a.config, text); err != nil {
				return err
			}
			wrote := []string{a.config}
			if from == "" {
				for path, text := range config.Beside(name) {
					path = filepath.Join(filepath.Dir(a.config), path)
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						return fmt.Errorf("write %s: %w", config.Inert(path), err)
					}
					if err := writeNew(path, text); err != nil {
						return err
					}
					wrote = append(wrote, path)
				}
			}
			return a.show(doneJSON{Verb: "init", Path: a.config}, func() {
				fmt.Fprintf(a.out, "wrote %s\nnext: edit it, then gantry lint\n", strings.Join(wrote, " and "))
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "`FILE` of packyard to take components and targets from")
	return cmd
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return config.Hint(fmt.Errorf("%s is there already", config.Inert(path)), "name another configuration with -C FILE, or edit what is there: gantry lint")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", config.Inert(path), err)
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", config.Inert(path), err)
	}
	return nil
}

// readSmall reads a file that somebody wrote by hand, or a program for hands.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 4 << 20
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s has more than %d bytes", config.Inert(path), most)
	}
	return b, err
}

func (a *app) lintVerb() *cobra.Command {
	return &cobra.Command{
		Use: "lint", GroupID: groupSetup, Short: "check release.yaml and the checklists beside it",
		Args: takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			templates, err := pipeline.Templates(cfg)
			if err != nil {
				return err
			}
			j := lintJSON{File: a.config, Product: string(cfg.Product), Targets: []string{}, Kinds: []string{}, Findings: []findingJSON{}, Advice: []findingJSON{}}
			for _, t := range cfg.Targets {
				j.Targets = append(j.Targets, string(t.Name))
			}
			for _, t := range templates {
				j.Kinds = append(j.Kinds, t.Kinds...)
			}
			for _, f := range append(config.Lint(cfg), checklist.Strays(templates, cfg)...) {
				j.Findings = append(j.Findings, findingJSON(f))
			}
			for _, f := range config.Advice(cfg) {
				j.Advice = append(j.Advice, findingJSON(f))
			}
			err = a.show(j, func() { a.printLint(j) })
			if err == nil && len(j.Findings) > 0 {
				err = &toldError{fmt.Errorf("%d things that %s names are not there as they must be", len(j.Findings), config.Inert(a.config))}
			}
			return err
		},
	}
}

func (a *app) printLint(j lintJSON) {
	fmt.Fprintf(a.out, "%s is well written: product %s, targets %s, kinds %s\n",
		config.Inert(j.File), j.Product, strings.Join(j.Targets, " "), strings.Join(j.Kinds, " "))
	for _, f := range slices.Concat(j.Findings, j.Advice) {
		fmt.Fprintf(a.out, "%s: %s\n", f.Where, f.What)
		if f.Hint != "" {
			fmt.Fprintf(a.out, "    %s\n", f.Hint)
		}
	}
}

func (a *app) schemaVerb() *cobra.Command {
	return &cobra.Command{
		Use: "schema", GroupID: groupSetup, Short: "print the JSON Schema of release.yaml, for editors",
		Args: takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s\n", strings.TrimSpace(string(schema)))
			return err
		},
	}
}

func (a *app) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: groupSetup, Short: "print the version",
		Args: takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			j := versionJSON{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					j.Version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						j.Revision = s.Value
					}
				}
			}
			return a.show(j, func() { fmt.Fprintln(a.out, "gantry", j.Version, j.Revision, j.Go, j.Platform) })
		},
	}
}

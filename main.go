// Gantry is a release console for the terminal: it walks a release of package
// repositories through its checklist to production, and back where need be.
package main

import (
	_ "gantry/ui/terminal" // first: see there

	"fmt"
	"net/url"
	"os"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/check"
	"gantry/pipeline/command"
	"gantry/pipeline/rpm"
	"gantry/ui/cli"
)

func main() {
	os.Exit(cli.Main(cli.Trades{
		Makers:  pipeline.Makers{"rpm": rpm.Make, "check": check.Make, "command": command.Make},
		Clients: map[string]cli.Clients{"rpm": rpmClients},
	}, os.Args[1:]))
}

// rpmClients are the files for clients of an RPM repository: ways to reach it,
// and the key. Clients find the key where distributions keep theirs, or, of a
// repository on this machine, where it lies.
func rpmClients(cfg *config.Release, t *config.Target) ([]cli.ClientFile, error) {
	key, ok := cfg.Key(string(t.Key))
	if !ok {
		return nil, fmt.Errorf("no key %s in the configuration", t.Key)
	}
	public, err := os.ReadFile(cfg.Path(key.Public))
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	address, name := rpm.Address(cfg, t), "RPM-GPG-KEY-"+string(cfg.Product)
	at := "file:///etc/pki/rpm-gpg/" + name
	if strings.HasPrefix(address, "file:") {
		at = (&url.URL{Scheme: "file", Path: cfg.Path(key.Public)}).String()
	}
	var files []cli.ClientFile
	for _, f := range rpm.RepoFiles(t, address, at) {
		files = append(files, cli.ClientFile{Name: f.Name, Text: f.Text, Note: "in /etc/yum.repos.d, by " + f.Way})
	}
	return append(files, cli.ClientFile{Name: name, Text: string(public), Note: "in /etc/pki/rpm-gpg"}), nil
}

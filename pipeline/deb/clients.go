package deb

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// Clients are the files for clients of a target: the .sources file to recommend
// first, the one-line form for those that do not read it, credentials where the
// target has subscribers, and the key. Clients find the key in
// /usr/share/keyrings or, of an archive on this machine, where it lies.
func Clients(cfg *config.Release, t *config.Target) ([]pipeline.ClientFile, error) {
	key, ok := cfg.Key(string(t.Key))
	if !ok {
		return nil, fmt.Errorf("no key %s in the configuration", t.Key)
	}
	public, err := os.ReadFile(cfg.Path(key.Public))
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	address, name := Address(cfg, t), string(cfg.Product)+"-archive-keyring.asc"
	at := "/usr/share/keyrings/" + name
	if strings.HasPrefix(address, "file:") {
		at = cfg.Path(key.Public)
	}
	files := []pipeline.ClientFile{
		{Name: string(t.Name) + ".sources", Note: "in /etc/apt/sources.list.d", Text: sources(t, address, at)},
		{Name: string(t.Name) + ".list", Note: "in /etc/apt/sources.list.d instead, for apt before 1.1", Text: oneLine(t, address, at)},
	}
	if s := t.Subscriber; s != nil {
		files = append(files, pipeline.ClientFile{Name: string(t.Name) + ".conf", Note: "in /etc/apt/auth.conf.d, chmod 600", Text: fmt.Sprintf(
			"machine %s\nlogin %s\npassword <your key>\n", machine(address), s.Username)})
	}
	return append(files, pipeline.ClientFile{Name: name, Text: string(public), Note: "in /usr/share/keyrings"}), nil
}

// sources is the deb822 form (sources.list(5)).
func sources(t *config.Target, address, key string) string {
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nArchitectures: %s\nSigned-By: %s\n",
		address, t.Suite, t.Component, strings.Join(architectures(t), " "), key)
}

// oneLine is the form of one line. An address has no space in it and a path with
// one could not be written.
func oneLine(t *config.Target, address, key string) string {
	return fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s %s\n", strings.Join(architectures(t), ","), key, address, t.Suite, t.Component)
}

// machine is what credentials are for (apt_auth.conf(5)): a host and a path, and
// the protocol where that is not an encrypted one.
func machine(address string) string {
	if rest, ok := strings.CutPrefix(address, "https://"); ok {
		return rest
	}
	return address
}

// Address is where clients reach the archive: the target's URL, or its directory
// where none is configured.
func Address(cfg *config.Release, t *config.Target) string {
	if t.URL != "" {
		return base(t)
	}
	return (&url.URL{Scheme: "file", Path: directory(cfg, t)}).String()
}

package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"gantry/config"
)

// host judges the key of the host for one connection.
type host struct {
	addr       string
	file       string // of known hosts
	callback   ssh.HostKeyCallback
	known      []knownhosts.KnownKey // for this host
	algorithms []string              // those of the known keys; empty for a host that is unknown

	vouched bool  // its key is known
	refused error // why it is not
}

const mostHosts = 16 << 20 // bytes of a file of known hosts

// host reads what is known of the host.
func (t *tunnel) host() (*host, error) {
	file, err := t.knownHosts()
	if err != nil {
		return nil, err
	}
	h := &host{addr: t.addr, file: file}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, lasting{config.Hint(fmt.Errorf("the file of known hosts %s is not there", file), "connect once with ssh, or copy the file of somebody who compared the key of "+t.addr+"; known_hosts of the tunnel names another")}
	case err != nil:
		return nil, fmt.Errorf("look at the file of known hosts: %w", err)
	case !info.Mode().IsRegular() || info.Size() > mostHosts:
		return nil, lasting{fmt.Errorf("%s is no file of known hosts", file)}
	}
	if h.callback, err = knownhosts.New(file); err != nil {
		return nil, lasting{config.Hint(fmt.Errorf("read the known hosts: %s", short(err)), "mend or remove that line of "+file)}
	}
	// Which keys it wants for a host is only told when it is shown another.
	var asked *knownhosts.KeyError
	if err := h.callback(h.addr, &net.TCPAddr{}, nobody{}); errors.As(err, &asked) {
		h.known = asked.Want
	}
	if err := h.choose(); err != nil {
		return nil, err
	}
	return h, nil
}

// choose restricts the algorithms to those of the known keys: a server has
// several keys, and must show one that can be compared.
func (h *host) choose() error {
	if len(h.known) == 0 {
		return nil
	}
	b, err := os.ReadFile(h.file)
	if err != nil {
		return fmt.Errorf("read the known hosts: %w", err)
	}
	lines := bytes.Split(b, []byte("\n"))
	var wanted []string
	for _, k := range h.known {
		authority := k.Line <= len(lines) && bytes.HasPrefix(bytes.TrimLeft(lines[k.Line-1], " \t"), []byte("@cert-authority"))
		for _, a := range ssh.SupportedAlgorithms().HostKeys {
			certified := strings.Contains(a, "-cert-")
			if authority && certified || !authority && (a == k.Key.Type() || k.Key.Type() == ssh.KeyAlgoRSA && (a == ssh.KeyAlgoRSASHA256 || a == ssh.KeyAlgoRSASHA512)) {
				wanted = append(wanted, a)
			}
		}
	}
	slices.Sort(wanted)
	if h.algorithms = slices.Compact(wanted); len(h.algorithms) == 0 {
		return lasting{config.Hint(fmt.Errorf("%s knows %s only by a key of type %s, which is too weak or unknown here", h.file, h.addr, h.kinds()), "add its ed25519 key to that file, after comparing it")}
	}
	return nil
}

func (h *host) kinds() string {
	var kinds []string
	for _, k := range h.known {
		if !slices.Contains(kinds, k.Key.Type()) {
			kinds = append(kinds, k.Key.Type())
		}
	}
	return strings.Join(kinds, ", ")
}

// check is asked during the key exchange. Nothing overrides it.
func (h *host) check(addr string, remote net.Addr, key ssh.PublicKey) error {
	if _, _, err := net.SplitHostPort(remote.String()); err != nil {
		remote = &net.TCPAddr{} // it is asked about by its name
	}
	err := h.callback(addr, remote, key)
	if err == nil {
		h.vouched = true
		return nil
	}
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	var other *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		h.refused = config.Hint(fmt.Errorf("THE HOST KEY OF %s IS REVOKED (%s, %s line %d)", addr, shown, h.file, revoked.Revoked.Line), "do not go on: somebody else may answer there; ask the host's administrator")
	case errors.As(err, &other) && len(other.Want) > 0:
		want := other.Want[0]
		h.refused = config.Hint(
			fmt.Errorf("THE HOST KEY OF %s CHANGED: it is %s now, and %s knows %s %s (line %d)", addr, shown, h.file, want.Key.Type(), ssh.FingerprintSHA256(want.Key), want.Line),
			"somebody else may answer there: go on only when the host's administrator confirms the new key by another way, and then replace that line")
	case errors.As(err, &other):
		h.refused = config.Hint(
			fmt.Errorf("%s is not in %s; its key is %s", addr, h.file, shown),
			"compare that with what the host's administrator gets there from ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub; when it is the same, add this line: "+knownhosts.Line([]string{addr}, key))
	default: // a certificate
		h.refused = config.Hint(fmt.Errorf("the host certificate of %s (%s): %s", addr, shown, short(err)), "ask the host's administrator for one that is valid")
	}
	return h.refused
}

// otherKind is the error for a host that has no key of the kinds known of it.
func (h *host) otherKind(none *ssh.AlgorithmNegotiationError) error {
	return config.Hint(
		fmt.Errorf("%s shows no key of a type that %s knows of it (%s): %s", h.addr, h.file, h.kinds(), short(none)),
		"the host may have been set up anew, or somebody else answers: ask its administrator for the fingerprint, and then replace its line")
}

// nobody is a key that no host has.
type nobody struct{}

// Type is none that exists.
func (nobody) Type() string { return "none" }

// Marshal is what no key has.
func (nobody) Marshal() []byte { return []byte("none") }

// Verify verifies nothing.
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("not a key") }

package tunnel

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gantry/config"
)

// user proves who we are for one connection.
type user struct {
	method ssh.AuthMethod
	tried  []string // fingerprints of the keys that were shown
	close  func()
}

// user takes the key that the tunnel names, or else those of the agent.
func (t *tunnel) user(ctx context.Context) (*user, error) {
	if t.Key.IsZero() {
		return agentUser(ctx)
	}
	signer, err := t.key()
	if err != nil {
		return nil, lasting{err}
	}
	return &user{
		method: ssh.PublicKeys(signer),
		tried:  []string{ssh.FingerprintSHA256(signer.PublicKey())},
		close:  func() {},
	}, nil
}

func (t *tunnel) key() (ssh.Signer, error) {
	pem, err := t.Key.Reveal(t.cfg.Dir())
	if err != nil {
		return nil, err
	}
	defer clear(pem)
	var missing *ssh.PassphraseMissingError
	signer, err := ssh.ParsePrivateKey(pem)
	switch {
	case errors.As(err, &missing) && t.Passphrase.IsZero():
		return nil, config.Hint(fmt.Errorf("the key %s has a passphrase", t.Key.Reference()), "name it as passphrase of the tunnel, or leave key out and ssh-add the key")
	case errors.As(err, &missing):
		pass, err := t.Passphrase.Reveal(t.cfg.Dir())
		if err != nil {
			return nil, err
		}
		defer clear(pass)
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, pass); errors.Is(err, x509.IncorrectPasswordError) {
			return nil, config.Hint(fmt.Errorf("%s is not the passphrase of the key %s", t.Passphrase.Reference(), t.Key.Reference()), "try it with ssh-keygen -y -f KEY")
		} else if err != nil {
			return nil, fmt.Errorf("the key %s: %w", t.Key.Reference(), err)
		}
		return signer, nil
	case err != nil: // which does not repeat what it read
		return nil, config.Hint(fmt.Errorf("the key %s: %w", t.Key.Reference(), err), "it must be a private key as ssh-keygen writes it")
	}
	return signer, nil
}

// agentUser asks the agent of SSH_AUTH_SOCK.
func agentUser(ctx context.Context) (*user, error) {
	const hint = "start one and ssh-add the key, or name a key file as key of the tunnel"
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, lasting{config.Hint(errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set"), hint)}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("reach the SSH agent: %w", err), hint)
	}
	stop := closing(ctx, conn)
	u := &user{close: func() {
		stop()
		conn.Close()
	}}
	signers, err := agent.NewClient(conn).Signers()
	if err == nil && len(signers) == 0 {
		err = lasting{errors.New("it holds no key")}
	}
	if err != nil {
		u.close()
		return nil, config.Hint(fmt.Errorf("ask the SSH agent for its keys: %w", err), hint)
	}
	for _, s := range signers {
		u.tried = append(u.tried, ssh.FingerprintSHA256(s.PublicKey()))
	}
	u.method = ssh.PublicKeys(signers...)
	return u, nil
}

// refused is the error for a user whose keys the server does not take.
func (u *user) refused(t *tunnel) error {
	const most = 3
	tried := strings.Join(u.tried[:min(most, len(u.tried))], ", ")
	if more := len(u.tried) - most; more > 0 {
		tried += fmt.Sprintf(" and %d more", more)
	}
	hint := "the public key must be in " + t.User + "'s authorized_keys there"
	if len(u.tried) > 1 {
		hint += "; a server takes few tries, so name the key of the tunnel where the agent holds many"
	}
	return config.Hint(fmt.Errorf("%s does not let %s in with %s", t.addr, t.User, tried), hint)
}

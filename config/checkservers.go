package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)          // of AWS, where the bucket is a part of the host name
	looserForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,253}$`)          // of others, by path
	regionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)            // which is a part of each signature
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?$`) // a name or an IPv4 address
)

func (c *checker) stores() {
	names := map[string]string{}
	for i, s := range c.r.Stores {
		at := fmt.Sprintf("stores[%d]", i)
		c.once(names, "store", string(s.Name), at)
		if c.sound(at + ".endpoint") {
			c.url(at+".endpoint", s.Endpoint, "http", "https")
		}
		if c.sound(at+".region") && !regionForm.MatchString(s.Region) {
			c.fail(at+".region", quoted(s.Region)+" is not a region", "write one such as eu-central-1, or leave the key out where the server has none")
		}
		c.bucketName(at+".bucket", s)
		access, secret := c.given(at+".access_key"), c.given(at+".secret_key")
		if access != secret {
			c.fail(at, "access_key and secret_key go together", "write both or neither")
		}
		if c.given(at+".session_token") && !access && !secret {
			c.fail(at+".session_token", "a session token goes with access_key and secret_key", "write them too, or leave it to the SDK's own chain")
		}
		c.tunnel(at+".tunnel", s.Tunnel)
	}
}

// bucketName checks the name of a bucket by the rules of who resolves it.
func (c *checker) bucketName(at string, s Store) {
	form, hint := bucketForm, "write 3 to 63 lower case letters, digits, dots and dashes"
	if s.PathStyle {
		form, hint = looserForm, "write letters, digits and . - _"
	}
	_, err := netip.ParseAddr(s.Bucket)
	if c.sound(at) && (!form.MatchString(s.Bucket) || strings.Contains(s.Bucket, "..") || !s.PathStyle && err == nil) {
		c.fail(at, quoted(s.Bucket)+" cannot be the name of a bucket", hint)
	}
}

func (c *checker) registries() {
	names := map[string]string{}
	for i, g := range c.r.Registries {
		at := fmt.Sprintf("registries[%d]", i)
		c.once(names, "registry", string(g.Name), at)
		c.host(at+".host", g.Host)
		c.username(at+".username", g.Username)
		if c.given(at+".username") != c.given(at+".password") {
			c.fail(at, "username and password go together", "write both or neither")
		}
		c.tunnel(at+".tunnel", g.Tunnel)
	}
}

func (c *checker) tunnels() {
	names := map[string]string{}
	for i, t := range c.r.Tunnels {
		at := fmt.Sprintf("tunnels[%d]", i)
		c.once(names, "tunnel", string(t.Name), at)
		c.host(at+".host", t.Host)
		if c.sound(at+".user") && (t.User == "" || Inert(t.User) != t.User || strings.ContainsAny(t.User, " \t")) {
			c.fail(at+".user", quoted(t.User)+" cannot be a user", "write the name to log in with")
		}
		if c.given(at+".passphrase") && !c.given(at+".key") {
			c.fail(at+".passphrase", "there is no key that this is the passphrase of", "write key, or leave both to the agent")
		}
		if c.given(at+".known_hosts") && c.plain(at+".known_hosts", t.KnownHosts) && strings.HasPrefix(t.KnownHosts, "~") {
			c.fail(at+".known_hosts", "~ is not read here", "write the whole path, or leave the key out for ~/.ssh/known_hosts")
		}
		c.tunnel(at+".via", t.Via)
	}
	c.loops()
}

// mostHops is how many tunnels may lead through each other.
const mostHops = 8

// loops checks that no tunnel leads through itself; each loop is reported once.
func (c *checker) loops() {
	seen := map[string]bool{}
	for i, t := range c.r.Tunnels {
		at, way := fmt.Sprintf("tunnels[%d].via", i), []string{string(t.Name)}
		for hop, ok := c.r.Tunnel(string(t.Via)); ok && t.Name != "" && !seen[string(t.Name)]; hop, ok = c.r.Tunnel(string(hop.Via)) {
			if slices.Contains(way[1:], string(hop.Name)) {
				break // it leads into a loop, of which others are told
			}
			way = append(way, string(hop.Name))
			if hop.Name == t.Name {
				c.fail(at, "the tunnel leads through itself: "+strings.Join(way, " via "), "let via name a host that is nearer")
				for _, name := range way {
					seen[name] = true
				}
			} else if len(way) > mostHops+1 {
				c.fail(at, fmt.Sprintf("the tunnel leads through more than %d others", mostHops), "let via name a host that is nearer")
				break
			}
		}
	}
}

// host checks a host, or a host and a port.
func (c *checker) host(at, s string) {
	if !c.sound(at) {
		return
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "1"
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			host = s[1 : len(s)-1]
		}
	}
	n, bad := strconv.ParseUint(port, 10, 16)
	_, address := netip.ParseAddr(host)
	if address == nil && host == s && strings.Contains(s, ":") || address != nil && !hostForm.MatchString(host) || bad != nil || n == 0 {
		c.fail(at, quoted(s)+" is not a host", "write host or host:port, such as registry.example.org:5000, without https:// and without a path")
	}
}

// loopback tells whether a host, or a host and a port, is this machine.
func loopback(s string) bool {
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		host = strings.Trim(s, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// open tells whether a URL is of a plain http server that others can listen to.
func open(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "http" && !loopback(u.Host)
}

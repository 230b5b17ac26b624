package check

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"gantry/config"
)

func FuzzMirrorList(f *testing.F) {
	f.Add("# remark\nhttps://mirror.example.org/rocky/9.7/BaseOS/x86_64/os/\nfile:///etc/passwd\n")
	f.Add("http://\x1b[31m/\nhttp://u:p@h\nhttp://h?q#f\n")
	f.Add(strings.Repeat("a\n", 3000))
	f.Fuzz(func(t *testing.T, text string) {
		l, err := readMirrorList([]byte(text))
		if err != nil {
			return
		}
		if n := len(l.mirrors) + len(l.odd); n > mirrorsMost {
			t.Fatalf("%d mirrors", n)
		}
		for _, m := range l.mirrors {
			u, err := url.Parse(m)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || config.Inert(m) != m {
				t.Errorf("mirror %q", m)
			}
		}
		for _, line := range append(l.odd, l.remarks...) {
			if config.Inert(line) != line {
				t.Errorf("not harmless: %q", line)
			}
		}
	})
}

func TestListWords(t *testing.T) {
	for repo, want := range map[string]string{
		"BaseOS/x86_64/os":            "BaseOS-9|x86_64",
		"BaseOS/x86_64/debug/tree":    "BaseOS-9-debug|x86_64",
		"AppStream/source/tree":       "AppStream-9-source|source",
		"extras/aarch64/os/":          "extras-9|aarch64",
		"alone":                       "alone-9|",
		"HighAvailability/s390x/kick": "HighAvailability-9|s390x",
	} {
		got, err := config.Expand("{repo}-{major}{part}|{arch}", listWords(map[string]string{"major": "9"}, repo))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", repo, got, err)
		}
	}
}

func TestFence(t *testing.T) {
	lan := fence{[]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}}
	for address, allowed := range map[string]bool{
		"1.1.1.1:80": true, "[2606:4700::1]:443": true, "10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[fd12::1]:80": true,
		"10.2.0.1:80": false, "127.0.0.1:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false, "169.254.169.254:80": false,
		"[::ffff:169.254.169.254]:80": false, "[64:ff9b::a9fe:a9fe]:80": false, "[64:ff9b::10.1.2.3]:80": false,
		"192.168.0.1:80": false, "[fe80::1%lo]:80": false, "0.0.0.0:80": false, "[::]:80": false, "nonsense": false,
		"100.64.0.1:80": false, "0.1.2.3:80": false, "255.255.255.255:80": false, "[::127.0.0.1]:80": false, "[::ffff:0:127.0.0.1]:80": false,
		"[64:ff9b:1::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001:0:7f00:1::1]:80": false, "[fc00::1]:80": false,
		"[64:ff9b::1.1.1.1]:80": true, "[2001:4860:4860::8888]:443": true, "[fe80::1%25lo]:80": false, "[fd12::1%eth0]:80": true,
	} {
		if err := lan.dial("tcp", address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

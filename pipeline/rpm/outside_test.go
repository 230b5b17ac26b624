package rpm_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/rpm"
	"gantry/pipeline/sign"
)

// online is a shop behind a web server that lies as a test tells it to.
func online(t *testing.T, lie func(s *shop, w http.ResponseWriter, r *http.Request) bool) *shop {
	t.Helper()
	t.Setenv("DEMO_PASSWORD", "s3cret")
	s := newShop(t, "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "subscriber" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !lie(s, w, r) {
			http.FileServer(http.Dir(s.served.Path())).ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
	s.do("build")
	s.do("stage")
	s.do("promote")
	s.configure(", url: \"" + server.URL + "\", subscriber: {username: subscriber, password: \"env:DEMO_PASSWORD\"}")
	return s
}

// What is wrong between clients and the files is found from outside, though the
// files themselves are whole.
func TestServerThatLies(t *testing.T) {
	type lie = func(s *shop, w http.ResponseWriter, r *http.Request) bool
	says := func(suffix, text string) lie {
		return func(s *shop, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, suffix) {
				io.WriteString(w, strings.ReplaceAll(text, "HOST", "http://"+r.Host))
				return true
			}
			return false
		}
	}
	status := func(suffix string, code int) lie {
		return func(_ *shop, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, suffix) {
				w.WriteHeader(code)
				return true
			}
			return false
		}
	}
	for name, c := range map[string]struct {
		lie
		want string
		hint bool
	}{
		"another snapshot":  {says("mirrorlist", "HOST/snapshots/20200101T000000Z/\n"), "/snapshots/20200101T000000Z/, not to http", true},
		"another place":     {says("mirrorlist", "HOST/snapshots/../elsewhere/\n"), "the mirrorlist: it leads to", true},
		"another server":    {says("mirrorlist", "http://evil.example/\x1b[31m\n"), "the mirrorlist: it leads to http://evil.example/", true},
		"a second address":  {says("mirrorlist", "HOST/snapshots/x/\nHOST/snapshots/y/\n"), "it names 2 addresses", false},
		"an endless list":   {says("mirrorlist", strings.Repeat("#", 1<<17)), "more than 65536 bytes", false},
		"a page":            {says("mirrorlist", "<html>\n<body>\nwelcome\n"), "it names 3 addresses", false},
		"not signed":        {says("repomd.xml.asc", ""), "repodata/repomd.xml.asc: it is not the armored text", false},
		"another package":   {says("agent-1.0-1.el9.x86_64.rpm", "no package"), "agent-1.0-1.el9.x86_64.rpm has 10 bytes", false},
		"unauthorized":      {status("mirrorlist", 401), "the server says 401 Unauthorized", true},
		"forbidden":         {status("repomd.xml", 403), "the server says 403 Forbidden", true},
		"not there":         {status("primary.xml.gz", 404), "the server says 404 Not Found", true},
		"package not there": {status("lib-1.0-1.el9.x86_64.rpm", 404), "the server says 404 Not Found", true},
		"broken":            {status("repomd.xml.asc", 500), "the server says 500 Internal Server Error", true},
		"nothing at all":    {status("mirrorlist", 204), "the server says 204 No Content", true},
		"sends on for ever": {func(_ *shop, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "it sends on more than 5 times", true},
		"stays silent": {func(_ *shop, _ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, "the server sends nothing more", true},
		"falls silent": {func(_ *shop, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "primary.xml.gz") {
				return false
			}
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}, "the server sends nothing more", true},
	} {
		t.Run(name, func(t *testing.T) {
			defer rpm.SetSilence(100 * time.Millisecond)()
			if !strings.Contains(name, "silent") {
				rpm.SetSilence(time.Minute)
			}
			s := online(t, c.lie)
			if _, _, err := s.try("refresh"); err == nil || !strings.Contains(err.Error(), "NOW serves snapshot") {
				t.Errorf("a flip says: %v", err)
			}
			_, _, err := s.try("verify", "via=http")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsRune(err.Error(), '\x1b') || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("verify says %v, want %q", err, c.want)
			}
			if c.hint && config.HintOf(err) == "" {
				t.Errorf("no way out of: %v", err)
			}
		})
	}
}

// forged is metadata signed by the target's own key that tells clients of other
// packages than the snapshot has.
func forged(t *testing.T, s *shop, change func(name, xml string) string, revision int64) map[string][]byte {
	t.Helper()
	at := func(path string) []byte {
		t.Helper()
		f, err := s.served.Open(t.Context(), s.at("production"), path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	md, err := repodata.ReadRepomd(bytes.NewReader(at("repodata/repomd.xml")))
	if err != nil {
		t.Fatal(err)
	}
	md.Revision += revision
	all := map[string][]byte{}
	for i, d := range md.Documents() {
		z, err := gzip.NewReader(bytes.NewReader(at(d.Href)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		text := change([]string{"primary", "filelists", "other"}[i], string(plain))
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, text)
		w.Close()
		d.Checksum.Hex, d.Size = sumOf(b.Bytes()), int64(b.Len())
		d.Open.Hex, d.OpenSize = sumOf([]byte(text)), int64(len(text))
		all[filepath.Base(d.Href)] = b.Bytes()
	}
	halves, err := shopKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.Load(halves[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	all["repomd.xml"] = md.Encode()
	if all["repomd.xml.asc"], err = key.Detached(all["repomd.xml"], s.clock); err != nil {
		t.Fatal(err)
	}
	return all
}

// Metadata that the right key signed still has to be that of the snapshot, and
// of one mind.
func TestForgedMetadata(t *testing.T) {
	cut := func(document, from string) func(name, xml string) string {
		return func(name, xml string) string {
			if name != document {
				return xml
			}
			i := strings.Index(xml, from)
			j := strings.Index(xml[i:], "</package>") + len("</package>\n")
			return strings.Replace(xml[:i]+xml[i+j:], `packages="2"`, `packages="1"`, 1)
		}
	}
	swap := func(document, from, to string) func(name, xml string) string {
		return func(name, xml string) string {
			if name == document {
				return strings.ReplaceAll(xml, from, to)
			}
			return xml
		}
	}
	for name, c := range map[string]struct {
		change   func(name, xml string) string
		revision int64
		want     string
	}{
		"nothing changed":          {change: swap("", "", "")},
		"another revision":         {swap("", "", ""), 1, "repomd.xml: its revision is"},
		"a package is left out":    {cut("primary", "<package type"), 0, "1 package is missing"},
		"a package of other bytes": {swap("primary", `pkgid="YES">`, `pkgid="YES">0`), 0, "is not a SHA-256"},
		"filelists leave one out":  {cut("filelists", "<package pkgid"), 0, "1 packages announced, 1 there, 2 in primary.xml"},
		"other leaves one out":     {cut("other", "<package pkgid"), 0, "1 packages announced, 1 there, 2 in primary.xml"},
		"filelists of others":      {swap("filelists", `pkgid="`, `pkgid="0`), 0, "where each package of primary.xml belongs once"},
		"other is filelists":       {swap("other", "otherdata", "filelists"), 0, `where one "otherdata" belongs`},
		"other is no XML":          {swap("other", "<package", "<<package"), 0, "-other.xml.gz"},
		"a package elsewhere":      {swap("primary", `href="Packages/l/`, `href="Packages/x/`), 0, "which the snapshot does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			var lies map[string][]byte
			s := online(t, func(_ *shop, w http.ResponseWriter, r *http.Request) bool {
				b, ok := lies[filepath.Base(r.URL.Path)]
				if ok {
					w.Write(b)
				}
				return ok
			})
			s.do("refresh") // so that the mirrorlist leads there
			lies = forged(t, s, c.change, c.revision)
			_, _, err := s.try("verify", "via=http")
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("verify says %v, want %q", err, c.want)
			}
		})
	}
}

// A server that sends on to another one does not get the credentials there too,
// whatever port or host that is.
func TestCredentialsStayAtHome(t *testing.T) {
	leaked := make(chan string, 100)
	var s *shop
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok {
			leaked <- password
		}
		http.FileServer(http.Dir(s.served.Path())).ServeHTTP(w, r)
	}))
	defer other.Close()
	s = online(t, func(_ *shop, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".rpm") {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
			return true
		}
		return false
	})
	s.do("refresh")
	s.do("verify")
	select {
	case password := <-leaked:
		t.Errorf("the other server was given %q", password)
	default:
	}
}

// What subscribers pay for is given to nobody else: a server that does is found
// by the look after a flip.
func TestOpenDoor(t *testing.T) {
	t.Setenv("DEMO_PASSWORD", "s3cret")
	for name, opens := range map[string]func(password string, given bool) bool{
		"to anybody":  func(string, bool) bool { return true },
		"to any key":  func(_ string, given bool) bool { return given },
		"to no other": func(password string, _ bool) bool { return password == "s3cret" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, "")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, password, given := r.BasicAuth(); !opens(password, given) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.FileServer(http.Dir(s.served.Path())).ServeHTTP(w, r)
			}))
			defer server.Close()
			s.configure(", url: \"" + server.URL + "\", subscriber: {username: subscriber, password: \"env:DEMO_PASSWORD\"}")
			s.stage("agent-1.0.x86_64")
			s.do("build")
			_, ev, err := s.try("stage")
			if err == nil {
				_, ev, err = s.try("verify", "via=http", "pointer=staging")
			}
			if name == "to no other" {
				if err != nil || ev["strangers"] == "" {
					t.Errorf("%v, %v", ev, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "SERVED TO ANYBODY") {
				t.Errorf("verify says %v", err)
			}
		})
	}
}

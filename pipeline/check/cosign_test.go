package check_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
)

const (
	image  = `{name: i, format: oci, component: core, series: "1", architectures: [x86_64, arm64], registry: r, key: c}`
	images = `registries: [{name: r, host: "localhost:5000"}]
cosign_keys: [{name: c, private: "file:c.key", password: "file:password", public: c.pub}]
`
)

var imageSigning = sync.OnceValue(func() [2][]byte {
	private, public, err := cosign.Generate([]byte("hunter2"))
	if err != nil {
		panic(err)
	}
	return [2][]byte{private, public}
})

// withImage gives a bench an image and its key.
func withImage(b *bench) {
	b.t.Helper()
	pair := imageSigning()
	b.write("c.key", string(pair[0]))
	b.write("c.pub", string(pair[1]))
	b.targets += "\n" + image
	b.more = images
}

func TestCosign(t *testing.T) {
	_, other, err := cosign.Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*bench)
		words  string
	}{
		"good":           {func(*bench) {}, ""},
		"placeholder":    {func(b *bench) { b.write("c.pub", "-----BEGIN PUBLIC KEY-----\nREPLACE ME\n-----END PUBLIC KEY-----\n") }, "c.pub: public key: it is a placeholder"},
		"words":          {func(b *bench) { b.write("c.pub", "the key of last year\n") }, "c.pub"},
		"empty":          {func(b *bench) { b.write("c.pub", "") }, "placeholder"},
		"another's":      {func(b *bench) { b.write("c.pub", string(other)) }, "the public key clients have is"},
		"absent":         {func(b *bench) { os.Remove(filepath.Join(b.dir, "c.pub")) }, "read the public key"},
		"no private":     {func(b *bench) { os.Remove(filepath.Join(b.dir, "c.key")) }, "file:c.key"},
		"wrong password": {func(b *bench) { b.write("password", "hunter3") }, "the password is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			withImage(b)
			tc.change(b)
			ev, err := b.run("check.cosign", nil)
			wants(t, err, tc.words)
			if err == nil && len(ev["fingerprint of cosign key c"]) != 64 {
				t.Errorf("evidence %v", ev)
			}
		})
	}
}

// What is not there is not checked, and said so.
func TestKeysOfOtherTargets(t *testing.T) {
	b := newBench(t)
	ev, err := b.run("check.cosign", nil)
	wants(t, err, "")
	if ev["images"] != "none: no target of this release is an image" {
		t.Errorf("evidence %v", ev)
	}
	_, err = b.run("check.cosign", map[string]string{"key": "c"})
	wants(t, err, `cosign key "c", which the configuration does not have`)

	withImage(b)
	b.write("c.pub", "placeholder")
	_, err = b.run("check.cosign", nil)
	wants(t, err, "placeholder")
	b.change = func(env *pipeline.Env) { // a release of packages alone
		a, _ := env.Config.Target("a")
		env.Targets = func() []*config.Target { return []*config.Target{a} }
	}
	ev, err = b.run("check.cosign", nil)
	wants(t, err, "")
	if ev["images"] == "" {
		t.Errorf("evidence %v", ev)
	}
	b.write("k.asc", "placeholder")
	_, err = b.run("check.key", nil)
	wants(t, err, "k.asc")
	b.change = func(env *pipeline.Env) { // and of images alone
		i, _ := env.Config.Target("i")
		env.Targets = func() []*config.Target { return []*config.Target{i} }
	}
	ev, err = b.run("check.key", nil)
	wants(t, err, "")
	if ev["keys"] != "none to check: every target is an image" {
		t.Errorf("evidence %v", ev)
	}
}

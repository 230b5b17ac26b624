package command

import (
	"strings"
	"testing"
)

func TestState(t *testing.T) {
	for said, want := range map[string]string{
		"\ngantry r-1 runs\nhello\n":                      "runs 0 hello",
		"Welcome to \ngantry r-2 runs\ngantry r-1 gone\n": "gone 0 ", // of another run, and then ours
		"Last login\nnever\n\ngantry r-1 ended 3\nbye":    "ended 3 bye",
		"\ngantry r-1 absent\n":                           "absent 0 ",
		"\ngantry r-1 starting\n":                         "starting 0 ",
		"\ngantry r-1 ended \n":                           "!",
		"\ngantry r-1 ended -1\n":                         "!",
		"\ngantry r-1 ended 3":                            "!", // the rest was cut
		"\ngantry r-1 ended 0x\n":                         "!",
		"\ngantry r-1 dancing\x1b[31m\n":                  "!",
		"sh: not found":                                   "!",
		"":                                                "!",
	} {
		st, rest, err := parseState([]byte(said), "r-1")
		got := st.word + " " + string(rune('0'+st.status)) + " " + strings.TrimSpace(string(rest))
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, %v", said, got, err)
		}
	}
}

// Whatever the far end says, it ended well only if it says so whole.
func FuzzState(f *testing.F) {
	f.Add("\ngantry r-1 ended 0\n")
	f.Add("x\ngantry r-1 runs\ny")
	f.Fuzz(func(t *testing.T, said string) {
		st, _, err := parseState([]byte(said), "r-1")
		if _, bad := st.end("it"); err == nil && bad == nil && !strings.Contains(said, "\ngantry r-1 ended ") {
			t.Errorf("%q ended well", said)
		}
	})
}

func TestQuoted(t *testing.T) {
	if got := line("echo", "it's", `a\b`, "$(id)\n"); got != `exec sh -c 'echo' gantry 'it'\''s' 'a\b' '$(id)`+"\n'" {
		t.Errorf("%s", got)
	}
}

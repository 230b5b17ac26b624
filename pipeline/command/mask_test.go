package command_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

const pem = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
abcd==
-----END PRIVATE KEY-----`

// Each row is a program that shows its secrets, and what must not be seen of
// them, neither in the log nor in the error that goes to the journal.
func TestSecretsAreMasked(t *testing.T) {
	const odd = `pa&s/w"o?rd`
	for name, tc := range map[string]struct {
		one, two string // the secrets
		script   string
		hidden   []string
		shown    string
	}{
		"whole":        {"hunter2", "", `echo "a $ONE b"`, []string{"hunter2"}, "a *** b"},
		"many lines":   {pem, "", `echo "$ONE"; echo "key: $ONE"`, strings.Split(pem, "\n"), "***"},
		"one of them":  {pem, "", `echo "$ONE" | sed -n 3p`, strings.Split(pem, "\n"), "***"},
		"CRLF":         {strings.ReplaceAll(pem, "\n", "\r\n"), "", `echo "$ONE"`, strings.Split(pem, "\n"), "***"},
		"prefix":       {"hunter2", "hunter2-production", `echo "x $TWO y $ONE z"`, []string{"hunter2", "production"}, "x *** y *** z"},
		"overlap":      {"abcdef", "defghi", `echo "x abcdefghi y"`, []string{"abc", "ghi"}, "x *** y"},
		"base64":       {"hunter2", "", `printf %s "$ONE" | base64`, []string{b64("hunter2")[:9]}, "***"},
		"basic auth 1": {"hunter2!x", "", `printf "u:%s" "$ONE" | base64`, []string{b64("u:hunter2!x")[4:12]}, "***"},
		"basic auth 2": {"hunter2!x", "", `printf "us:%s" "$ONE" | base64`, []string{b64("us:hunter2!x")[4:]}, "***"},
		"basic auth 3": {"hunter2!x", "", `printf "use:%s" "$ONE" | base64`, []string{b64("use:hunter2!x")[6:14]}, "***"},
		"in a query":   {odd, "", `echo "` + url.QueryEscape(odd) + `"`, []string{url.QueryEscape(odd)}, "***"},
		"in a path":    {odd, "", `echo "` + url.PathEscape(odd) + `"`, []string{url.PathEscape(odd)}, "***"},
		"quoted":       {odd, "", `echo 'pa&s/w\"o?rd'`, []string{"o?rd"}, "***"},
		"short":        {"s", "hunter2", `echo "is $ONE $TWO"`, []string{"hunter2"}, "is s ***"},
		"short line":   {"no\nhunter2", "", `echo "no, $ONE"`, []string{"hunter2"}, "no, no"},
		"spaces round": {" hunter2 ", "", `set -- $ONE; echo "<$1>"`, []string{"hunter2"}, "<***>"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.two == "" {
				tc.two = "unused secret"
			}
			t.Setenv("GANTRY_TEST_ONE", tc.one)
			t.Setenv("GANTRY_TEST_TWO", tc.two)
			lines := "    argv: [sh, -c, '" + strings.ReplaceAll(tc.script, "'", "''") + "; exit 1']\n" +
				"    secrets: {ONE: env:GANTRY_TEST_ONE, TWO: env:GANTRY_TEST_TWO}\n"
			_, log, err := run(t, t.Context(), lines, nil)
			if err == nil || !strings.Contains(err.Error(), "exit status 1") {
				t.Fatalf("got %v", err)
			}
			for _, text := range []string{log, err.Error()} {
				for _, hidden := range tc.hidden {
					if strings.Contains(text, hidden) {
						t.Errorf("%q is seen in:\n%s", hidden, text)
					}
				}
				if !strings.Contains(text, tc.shown) {
					t.Errorf("no %q in:\n%s", tc.shown, text)
				}
			}
		})
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// A secret is found wherever the parts lie in which a program writes it, on a
// line longer than what is kept together.
func TestSecretsAcrossParts(t *testing.T) {
	secret := "0123456789abcdef-0123456789ABCDEF"
	t.Setenv("GANTRY_TEST_ONE", secret)
	t.Setenv("GANTRY_TEST_TWO", strings.Repeat("Q", 9000))
	for name, script := range map[string]string{
		"at the flush": `i=4060; while [ $i -le 4100 ]; do head -c $i /dev/zero | tr "\0" .; printf %s "$ONE"; head -c 5000 /dev/zero | tr "\0" .; echo; i=$((i+1)); done`,
		"in pieces":    `head -c 4080 /dev/zero | tr "\0" .; for i in 0123 456 789abc def-01 23456789ABCD EF; do printf %s $i; sleep 0.02; done; echo tail`,
		"no line end":  `head -c 40000 /dev/zero | tr "\0" .; printf %s "$ONE"; head -c 40000 /dev/zero | tr "\0" .; printf %s "$ONE"`,
		"very long":    `printf %s "$TWO"; sleep 0.02; printf "%s<>" "$TWO"; sleep 0.02; printf %s "$TWO"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, log, err := run(t, t.Context(), "    argv: [sh, -c, '"+strings.ReplaceAll(script, "'", "''")+"']\n"+
				"    secrets: {ONE: env:GANTRY_TEST_ONE, TWO: env:GANTRY_TEST_TWO}\n", nil)
			if err != nil {
				t.Fatal(err)
			}
			flat := strings.ReplaceAll(log, "\n", "")
			for at := range len(secret) - 6 {
				if part := secret[at : at+6]; strings.Contains(flat, part) {
					t.Fatalf("%q is seen", part)
				}
			}
			if strings.Contains(flat, "QQ") || !strings.Contains(flat, "***") {
				t.Error("a long secret is seen, or nothing was masked")
			}
		})
	}
}

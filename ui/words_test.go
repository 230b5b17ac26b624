package ui

import (
	"math"
	"os"
	"testing"
	"time"

	"gantry/config"
)

func TestWords(t *testing.T) {
	tests := []struct{ got, want string }{
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.0 KiB"}, {size(127129412403), "118.4 GiB"}, {size(1 << 60), "1048576.0 TiB"},
		{count(0), "0"}, {count(999), "999"}, {count(41288), "41 288"}, {count(1234567), "1 234 567"}, {count(-12345), "-12 345"}, {count(-123), "-123"},
		{took(0), "0s"}, {took(999 * time.Microsecond), "1ms"}, {took(340 * time.Millisecond), "340ms"}, {took(time.Second), "1s"}, {took(131 * time.Second), "2m11s"}, {took(3*time.Hour + 4*time.Minute), "3h04m"}, {took(51 * time.Hour), "2d03h"}, {took(-time.Minute), "-1m00s"}, {took(math.MinInt64), "-106751d23h"},
		{tMinus(2*time.Hour + 14*time.Minute + 33*time.Second), "T-02:14:33"}, {tMinus(-10 * time.Minute), "T+00:10:00"}, {tMinus(200 * time.Hour), "T-8d08h"},
		{age(30 * time.Second), "30s"}, {age(90 * time.Minute), "1h"}, {age(72 * time.Hour), "3d"}, {age(-time.Second), "future"},
		{short("20261121T113012Z"), "1121T1130"}, {short("odd"), "odd"},
		{plural(1, "run", "runs"), "1 run"}, {plural(2000, "run", "runs"), "2 000 runs"},
		{clock(noon, noon), "12:00:00"}, {clock(noon.AddDate(0, 0, -1), noon), "2026-11-20 12:00"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestOptionsFollowTheEnvironment(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want Options
	}{
		{"plain", map[string]string{"LANG": "en_GB.UTF-8", "TERM": "xterm"}, Options{Theme: config.Dark}},
		{"no colour", map[string]string{"LANG": "C.utf8", "NO_COLOR": "1"}, Options{Theme: config.Dark, NoColor: true}},
		{"C locale", map[string]string{"LANG": "C"}, Options{Theme: config.Dark, ASCII: true}},
		{"no locale", nil, Options{Theme: config.Dark, ASCII: true}},
		{"LC_ALL rules", map[string]string{"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, Options{Theme: config.Dark, ASCII: true}},
		{"dumb", map[string]string{"LANG": "C.UTF-8", "TERM": "dumb"}, Options{Theme: config.Dark, Accessible: true}},
		{"light ground", map[string]string{"LANG": "C.UTF-8", "COLORFGBG": "0;15"}, Options{Theme: config.Light}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"LANG", "LC_ALL", "LC_CTYPE", "TERM", "NO_COLOR", "COLORFGBG"} {
				t.Setenv(name, tt.env[name])
			}
			got := Options{}.settled()
			if got.Input != os.Stdin || got.Output != os.Stdout || got.Now == nil {
				t.Error("no terminal or clock by default")
			}
			got.Input, got.Output, got.Now = nil, nil, nil
			if got.Theme != tt.want.Theme || got.NoColor != tt.want.NoColor || got.ASCII != tt.want.ASCII || got.Accessible != tt.want.Accessible {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

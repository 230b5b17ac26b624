package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline/aside"
)

// id is what metadata/COMPOSE_ID holds: Rocky-9.7-20251121.101500 as empanadas
// writes it, Rocky-9.7-20251121.n.0 as pungi does.
type id struct {
	text     string
	revision string // 9.7
	time     time.Time
	respin   string // what follows the time, of pungi
}

var idForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,40}(?:-[A-Za-z][A-Za-z0-9_]{0,40})?-([1-9][0-9]?\.(?:0|[1-9][0-9]?))(?:-[A-Za-z][A-Za-z0-9]{0,20})?-([0-9]{8})\.(?:([0-9]{6})|((?:[a-z]{1,2}\.)?[0-9]{1,4}))$`)

// parseID reads the id of a compose.
func parseID(text string) (id, error) {
	m := idForm.FindStringSubmatch(text)
	if m == nil {
		return id{}, config.Hint(fmt.Errorf("%q is no id of a compose", config.Inert(text[:min(len(text), 80)])), "one is such as Rocky-9.7-20251121.101500")
	}
	clock := m[3]
	if clock == "" {
		clock = "000000"
	}
	at, err := time.Parse("20060102150405", m[2]+clock)
	if err != nil {
		return id{}, fmt.Errorf("%q holds no date", text)
	}
	return id{text, m[1], at, m[4]}, nil
}

const maxInfo = 16 << 20 // bytes of composeinfo.json

// identify reads the id of the compose that a directory holds, and compares it
// with what composeinfo.json says, where there is one.
func identify(root *os.Root) (id, error) {
	data, _, err := aside.Read(root, "metadata/COMPOSE_ID", 200)
	if errors.Is(err, fs.ErrNotExist) {
		return id{}, config.Hint(errors.New("it has no metadata/COMPOSE_ID: the compose did not end, or this is none"), "look at the log of the compose")
	}
	if err != nil {
		return id{}, err
	}
	c, err := parseID(strings.TrimSuffix(string(data), "\n"))
	if err != nil {
		return id{}, fmt.Errorf("metadata/COMPOSE_ID: %w", err)
	}
	data, _, err = aside.Read(root, "metadata/composeinfo.json", maxInfo)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = c.agrees(data)
	}
	if err != nil {
		return id{}, fmt.Errorf("metadata/composeinfo.json: %w", err)
	}
	return c, nil
}

// agrees compares an id with composeinfo.json, as productmd writes it.
func (c id) agrees(data []byte) error {
	var info struct {
		Payload struct {
			Compose struct{ ID string }
			Release struct{ Version string }
		}
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return err
	}
	if got := info.Payload.Compose.ID; got != "" && got != c.text {
		return fmt.Errorf("it is of compose %q, COMPOSE_ID of %q", config.Inert(got), c.text)
	}
	if got := info.Payload.Release.Version; got != "" && got != c.revision {
		return fmt.Errorf("it is of version %q, COMPOSE_ID of %q", config.Inert(got), c.revision)
	}
	return nil
}

// ended refuses a compose that says itself that it failed or goes on: by a file
// FAILED, or by the STATUS that pungi keeps beside it.
func ended(dir string) error {
	for _, beside := range []string{dir, dir + "/metadata", dir + "/.."} {
		if _, err := os.Lstat(beside + "/FAILED"); err == nil {
			return config.Hint(errors.New("it has a marker FAILED"), "look at the log of the compose")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	above, err := os.OpenRoot(dir + "/..")
	if err != nil {
		return err
	}
	defer above.Close()
	status, _, err := aside.Read(above, "STATUS", 200)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s := strings.TrimSpace(string(status)); s != "FINISHED" {
		return config.Hint(fmt.Errorf("its STATUS is %s", config.Inert(s)), "look at the log of the compose")
	}
	return nil
}

// after tells whether a compose began later than another one.
func (c id) after(other id) bool {
	if !c.time.Equal(other.time) {
		return c.time.After(other.time)
	}
	return len(c.respin) > len(other.respin) || len(c.respin) == len(other.respin) && c.respin > other.respin
}

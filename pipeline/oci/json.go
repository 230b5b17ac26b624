package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
)

const maxDepth = 64

// parse reads a JSON document of which there can be no two opinions: readers
// differ in what they make of a key that is there twice, or in other case.
func parse(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := unambiguous(d, 0, false); err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// freeKeys are the keys below which keys are data, and may differ in case alone.
var freeKeys = []string{"labels", "annotations", "volumes", "exposedports"}

// unambiguous reads one value. The keys of one that is data may differ in case
// alone.
func unambiguous(d *json.Decoder, depth int, data bool) error {
	if depth > maxDepth {
		return errors.New("it is nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for d.More() {
			if err := unambiguous(d, depth+1, false); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := t.(string)
			folded := strings.ToLower(key)
			is := folded
			if data {
				is = key
			}
			if seen[is] {
				return fmt.Errorf("the key %s is there twice", config.Inert(clip(key)))
			}
			seen[is] = true
			if err := unambiguous(d, depth+1, slices.Contains(freeKeys, folded)); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the end
	return err
}

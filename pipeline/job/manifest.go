package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"gantry/config"
	"gantry/pipeline/placeholder"
)

const (
	manifestMost = 256 << 10 // bytes of a manifest
	nodesMost    = 20_000    // of its YAML
	deepest      = 100
)

// Marks of the Jobs that gantry makes.
const (
	labelRun     = "gantry.run"
	labelRelease = "gantry.release"
	labelItem    = "gantry.item"
	labelArch    = "gantry.arch"
	specDigest   = "gantry.manifest" // annotation: digest of what it was made from
)

// manifest is one Job, its placeholders filled.
type manifest struct{ object map[string]any }

func readManifest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("read the manifest: %w", err), "check manifest of the job in release.yaml")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, manifestMost+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if len(b) > manifestMost {
		return nil, fmt.Errorf("the manifest %s has more than %d bytes", config.Inert(path), manifestMost)
	}
	return b, nil
}

// parseManifest reads a manifest of one batch/v1 Job, and fills the placeholders
// in its values.
func parseManifest(text []byte, words map[string]string) (*manifest, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("it is no YAML: %s", config.Inert(err.Error()))
	}
	if err := d.Decode(&more); err != io.EOF {
		return nil, errors.New("it holds more than one document: a job is one Job")
	}
	left := nodesMost
	if err := fill(&doc, words, &left, 0); err != nil {
		return nil, err
	}
	var m manifest
	if err := doc.Decode(&m.object); err != nil {
		return nil, fmt.Errorf("it is no Job: %s", config.Inert(err.Error()))
	}
	if _, err := json.Marshal(m.object); err != nil { // a key that is no text
		return nil, fmt.Errorf("it is no Job: %s", config.Inert(err.Error()))
	}
	if m.object["apiVersion"] != "batch/v1" || m.object["kind"] != "Job" {
		return nil, config.Hint(errors.New("it is no Job of batch/v1"), "write apiVersion: batch/v1 and kind: Job")
	}
	if _, ok := at(m.object, "metadata")["generateName"]; ok {
		return nil, config.Hint(errors.New("it has a generateName, by which a Job that was started twice would be two"), "leave it out: gantry chooses the name")
	}
	if len(m.containers()) == 0 {
		return nil, errors.New("its pods have no container")
	}
	return &m, nil
}

// fill puts words into the values below a node.
func fill(n *yaml.Node, words map[string]string, left *int, depth int) error {
	if *left--; *left < 0 || depth > deepest {
		return errors.New("it is too large")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return fmt.Errorf("line %d: it has an alias", n.Line)
	case yaml.ScalarNode:
		if n.ShortTag() == "!!timestamp" {
			n.Tag = "!!str" // as kubectl reads it
		}
		if n.ShortTag() != "!!str" {
			return nil
		}
		value, err := placeholder.Expand(n.Value, words)
		if err != nil {
			return fmt.Errorf("line %d: %w", n.Line, err)
		}
		n.Tag, n.Value = "!!str", value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if n.Style&yaml.FlowStyle != 0 && value.Value == "" && value.ShortTag() == "!!null" && slices.Contains(placeholder.Known, key.Value) {
				return config.Hint(fmt.Errorf("line %d: {%s} is no text", n.Line, key.Value), `write "{`+key.Value+`}", in quotes`)
			}
			if key.ShortTag() != "!!str" {
				return fmt.Errorf("line %d: a key is no text", key.Line)
			}
			if err := fill(value, words, left, depth+1); err != nil {
				return err
			}
		}
	default:
		for _, c := range n.Content {
			if err := fill(c, words, left, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// at is the object at a path of names; nil where there is none.
func at(o map[string]any, path ...string) map[string]any {
	for _, name := range path {
		o, _ = o[name].(map[string]any)
	}
	return o
}

// made makes the object at a path of names where there is none.
func made(o map[string]any, path ...string) map[string]any {
	for _, name := range path {
		next, ok := o[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[name] = next
		}
		o = next
	}
	return o
}

func (m *manifest) containers() (all []map[string]any) {
	pod := at(m.object, "spec", "template", "spec")
	for _, kind := range []string{"initContainers", "containers"} {
		list, _ := pod[kind].([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok {
				all = append(all, c)
			}
		}
	}
	return all
}

func (m *manifest) images() (all []string) {
	for _, c := range m.containers() {
		if image, ok := c["image"].(string); ok && !slices.Contains(all, config.Inert(image)) {
			all = append(all, config.Inert(image))
		}
	}
	return all
}

func (m *manifest) namespace() string {
	ns, _ := at(m.object, "metadata")["namespace"].(string)
	return ns
}

// brief tells whether the cluster removes the Job soon after its end.
func (m *manifest) brief() bool {
	seconds, ok := at(m.object, "spec")["ttlSecondsAfterFinished"].(int)
	return ok && time.Duration(seconds)*time.Second < 24*time.Hour
}

// digest is the SHA-256 of the manifest, as JSON with its keys in order.
func (m *manifest) digest() string {
	b, err := json.Marshal(m.object)
	if err != nil {
		panic("it was marshalled when it was parsed: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// marked is the Job as it is made: named, in a namespace, and marked as that of a
// run.
func (m *manifest) marked(name, namespace string, labels map[string]string) ([]byte, error) {
	digest := m.digest()
	b, err := json.Marshal(m.object)
	if err != nil {
		return nil, err
	}
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	meta := made(o, "metadata")
	meta["name"], meta["namespace"] = name, namespace
	for _, of := range []map[string]any{meta, made(o, "spec", "template", "metadata")} {
		for key, value := range labels {
			made(of, "labels")[key] = label(value)
		}
	}
	made(meta, "annotations")[specDigest] = digest
	return json.Marshal(o)
}

var noLabel = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// label is a text as the value of a label.
func label(text string) string {
	text = noLabel.ReplaceAllString(text, "-")
	return strings.Trim(text[:min(len(text), 63)], "-_.")
}

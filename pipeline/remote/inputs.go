package remote

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"gantry/config"
)

// definition is what a workflow's file says of how it is dispatched.
type definition struct {
	inputs  map[string]input
	runName string // template of the run's title
}

// input is one under on.workflow_dispatch.inputs.
type input struct {
	kind     string // string, boolean, choice, number or environment
	required bool
	value    string // by default
	given    bool   // there is a default
	options  []string
}

// inputForm is how inputs are named.
var inputForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

const nestedMost = 64 // aliases followed in a row

// parse reads a workflow's file. Only what concerns its dispatch is looked at.
func parse(file []byte) (definition, error) {
	d := definition{inputs: map[string]input{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return d, fmt.Errorf("it is not YAML: %s", config.Inert(err.Error()))
	}
	if len(doc.Content) == 0 {
		return d, errors.New("it is empty")
	}
	top, err := mapping(doc.Content[0], "it")
	if err != nil {
		return d, err
	}
	if name := top["run-name"]; name != nil && name.Kind == yaml.ScalarNode && len(name.Value) < 1000 {
		d.runName = name.Value
	}
	dispatch, ok, err := trigger(top["on"])
	if err != nil || !ok {
		return d, errors.Join(err, errors.New("it has no workflow_dispatch under on"))
	}
	if dispatch == nil || empty(dispatch) {
		return d, nil
	}
	under, err := mapping(dispatch, "on.workflow_dispatch")
	if err != nil || under["inputs"] == nil || empty(under["inputs"]) {
		return d, err
	}
	all, err := mapping(under["inputs"], "on.workflow_dispatch.inputs")
	if err != nil {
		return d, err
	}
	for name, node := range all {
		if !inputForm.MatchString(name) {
			return d, fmt.Errorf("%q is not the name of an input", config.Inert(name))
		}
		if d.inputs[name], err = parseInput(name, node); err != nil {
			return d, err
		}
	}
	return d, nil
}

// trigger finds workflow_dispatch in the value of on: a word, a list or a
// mapping.
func trigger(on *yaml.Node) (*yaml.Node, bool, error) {
	on, err := deref(on)
	if err != nil || on == nil {
		return nil, false, err
	}
	switch on.Kind {
	case yaml.ScalarNode:
		return nil, on.Value == "workflow_dispatch", nil
	case yaml.SequenceNode:
		words, err := scalars(on, "on")
		return nil, slices.Contains(words, "workflow_dispatch"), err
	}
	events, err := mapping(on, "on")
	node, ok := events["workflow_dispatch"]
	return node, ok, err
}

func parseInput(name string, node *yaml.Node) (input, error) {
	in := input{kind: "string"}
	if empty(node) {
		return in, nil
	}
	what := "input " + name
	fields, err := mapping(node, what)
	if err != nil {
		return in, err
	}
	for field, node := range fields {
		if node, err = deref(node); err != nil {
			return in, err
		}
		if field == "options" {
			if in.options, err = scalars(node, what+".options"); err != nil {
				return in, err
			}
			continue
		}
		if node.Kind != yaml.ScalarNode && (field == "type" || field == "required" || field == "default") {
			return in, fmt.Errorf("%s.%s is not a word", what, field)
		}
		switch field {
		case "type":
			in.kind = node.Value
		case "required":
			if in.required, err = strconv.ParseBool(node.Value); err != nil {
				return in, fmt.Errorf("%s.required is %q, neither true nor false", what, config.Inert(node.Value))
			}
		case "default":
			in.value, in.given = node.Value, !empty(node)
		}
	}
	switch in.kind {
	case "choice":
		if len(in.options) == 0 {
			return in, fmt.Errorf("%s is a choice without options", what)
		}
	case "string", "boolean", "number", "environment":
	default:
		return in, fmt.Errorf("%s has the type %q, which gantry does not know", what, config.Inert(in.kind))
	}
	return in, nil
}

// mapping is a mapping by its keys. A key that comes twice is an error: servers
// differ on which one counts.
func mapping(node *yaml.Node, what string) (map[string]*yaml.Node, error) {
	node, err := deref(node)
	if err != nil {
		return nil, err
	}
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s is not a mapping", what)
	}
	all := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s has a key that is no word", what)
		}
		if _, twice := all[key.Value]; twice {
			return nil, fmt.Errorf("%s has %q twice", what, config.Inert(key.Value))
		}
		all[key.Value] = node.Content[i+1]
	}
	return all, nil
}

func scalars(node *yaml.Node, what string) ([]string, error) {
	if node.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s is not a list", what)
	}
	var words []string
	for _, n := range node.Content {
		n, err := deref(n)
		if err != nil {
			return nil, err
		}
		if n.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s is not a list of words", what)
		}
		words = append(words, n.Value)
	}
	return words, nil
}

// deref follows aliases.
func deref(node *yaml.Node) (*yaml.Node, error) {
	for range nestedMost {
		if node == nil || node.Kind != yaml.AliasNode {
			return node, nil
		}
		node = node.Alias
	}
	return nil, errors.New("its aliases lead nowhere")
}

// empty tells whether a key has no value.
func empty(node *yaml.Node) bool {
	return node == nil || node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

// filledIn are names of inputs that gantry fills with the id of its own run, so
// that the run can be found again by it.
var filledIn = []string{"gantry_run", "correlation_id"}

// correlation is the input that gantry fills in, empty where there is none.
func (d definition) correlation() string {
	for _, name := range filledIn {
		if in, ok := d.inputs[name]; ok && in.kind == "string" {
			return name
		}
	}
	return ""
}

// check refuses values that the workflow would not take, or would take for
// something else.
func (d definition) check(values map[string]string) error {
	const most = 60 << 10 // bytes of all; GitHub refuses more than 65,535
	declared := slices.Sorted(maps.Keys(d.inputs))
	size := 0
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		size += len(name) + len(value)
		in, ok := d.inputs[name]
		if !ok {
			return config.Hint(fmt.Errorf("the workflow has no input %q", config.Inert(name)), "its inputs are "+orNone(declared))
		}
		if name == d.correlation() {
			return config.Hint(fmt.Errorf("input %s is filled in by gantry, with the id of its run", name), "leave it out in release.yaml")
		}
		if value == "" || config.Inert(value) != value {
			return config.Hint(fmt.Errorf("input %s is empty or has control characters", name), "write a value, or leave the input out")
		}
		switch in.kind {
		case "choice":
			if !slices.Contains(in.options, value) {
				return config.Hint(fmt.Errorf("input %s cannot be %q", name, value), "choose one of "+config.Inert(strings.Join(in.options, ", ")))
			}
		case "boolean":
			if value != "true" && value != "false" {
				return fmt.Errorf("input %s is %q, neither true nor false", name, value)
			}
		case "number":
			if !numberForm.MatchString(value) {
				return fmt.Errorf("input %s is %q, not a number", name, value)
			}
		}
	}
	if size > most {
		return fmt.Errorf("the inputs have %d bytes, more than %d", size, most)
	}
	for _, name := range declared {
		in := d.inputs[name]
		if _, ok := values[name]; !ok && in.required && !in.given && name != d.correlation() {
			return config.Hint(fmt.Errorf("the workflow wants input %s", name), "write it under inputs of the workflow in release.yaml")
		}
	}
	return nil
}

// numberForm is a number as JSON has it.
var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?$`)

// defaults are the values that inputs have which are not given.
func (d definition) defaults(values map[string]string) map[string]string {
	all := map[string]string{}
	for name, in := range d.inputs {
		if _, given := values[name]; !given && in.given && name != d.correlation() {
			all[name] = config.Inert(in.value)
		}
	}
	return all
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

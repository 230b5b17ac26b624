package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Decode reads one YAML document strictly into a struct, by its yaml tags: keys
// that are unknown or come twice, values of another type, aliases and merges,
// tags and further documents are errors. All of them are returned at once, as
// Errors. A value whose Go type reads text (encoding.TextUnmarshaler) is read by
// it. Values for texts must be texts: 1.10 and 2025 want quotes.
func Decode(file string, data []byte, into any) error {
	_, err := decode(file, data, into)
	return err
}

// decode also returns where each value stands, by path (targets[0].name).
func decode(file string, data []byte, into any) (places, error) {
	d := &decoder{file: file, at: places{}}
	root, err := d.parse(data)
	if err != nil {
		return nil, err
	}
	d.at[""] = place{root.Line, root.Column}
	d.value(root, reflect.ValueOf(into).Elem(), "")
	return d.at, d.sorted()
}

type place struct{ line, col int }

func (p place) after(q place) bool {
	return p.line > q.line || p.line == q.line && p.col > q.col
}

type places map[string]place

type decoder struct {
	file    string
	at      places
	errs    Errors
	foreign bool // within a map, whose values are the operator's own: they are not repeated
}

func (d *decoder) fail(n *yaml.Node, what, hint string) {
	d.errs = append(d.errs, Error{d.file, n.Line, n.Column, what, hint})
}

// sorted returns the errors in the order of the file, or nil.
func (d *decoder) sorted() error {
	if len(d.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(d.errs, func(a, b Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return d.errs
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.at[path] = place{n.Line, n.Column}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n, errAnchor, hintAnchor) // the name may be a secret that begins with *
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fail(n, "tags are not read here", "leave it out, and write text that begins with ! in quotes")
		return
	}
	if v.CanAddr() && v.Addr().Type().Implements(textType) {
		d.text(n, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fail(n, "a list is wanted here, this is "+kindOf(n), "write each entry on a line of its own, after a dash")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			d.value(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		v.Set(list)
	case reflect.Map:
		d.table(n, v, path)
	default:
		d.scalar(n, v)
	}
}

func (d *decoder) text(n *yaml.Node, v reflect.Value) {
	if _, secret := v.Addr().Interface().(*Secret); secret && n.Tag != "!!str" {
		d.fail(n, errLiteral.Error(), HintOf(errLiteral)) // whose value is not to be repeated
		return
	}
	if !d.isText(n) {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.fail(n, err.Error(), HintOf(err))
	}
}

// isText tells whether a node is a text, and reports it otherwise.
func (d *decoder) isText(n *yaml.Node) bool {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(n, "a text is wanted here, this is "+kindOf(n), "write it on this line")
	case n.Tag == "!!null":
		d.fail(n, "a text is wanted here, this is empty", "write a value, or leave the key out")
	case n.Tag != "!!str":
		what, hint := "this", "write it in quotes"
		if !d.foreign {
			what, hint = Inert(n.Value), `write it in quotes: "`+Inert(n.Value)+`"`
		}
		d.fail(n, what+" is "+kindOf(n)+", not a text", hint)
	default:
		return true
	}
	return false
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if d.isText(n) {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" || n.Tag != "!!bool" {
			d.fail(n, "true or false is wanted here, this is "+kindOf(n), "write true or false")
			return
		}
		v.SetBool(n.Value == "true")
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
			d.fail(n, "a whole number is wanted here, this is "+kindOf(n), "write it in digits, without quotes")
			return
		}
		v.SetInt(i)
	default:
		panic("no way to read a " + v.Type().String() + " from a file")
	}
}

// mapping reads the keys of a struct.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "keys with values are wanted here, this is "+kindOf(n), "write key: value, one a line")
		return
	}
	fields := map[string]int{}
	var known []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
			known = append(known, name)
		}
	}
	d.keys(n, func(key, value *yaml.Node) {
		i, ok := fields[key.Value]
		if !ok {
			hint := "keys here are " + strings.Join(known, ", ")
			if near := nearest(key.Value, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			d.fail(key, fmt.Sprintf("unknown key %s", Inert(strconv.Quote(key.Value))), hint)
			return
		}
		d.value(value, v.Field(i), join(path, key.Value))
	})
	for _, name := range known {
		tag := v.Type().Field(fields[name]).Tag.Get("jsonschema")
		if _, there := d.at[join(path, name)]; !there && slices.Contains(strings.Split(tag, ","), "required") {
			d.fail(n, name+" is missing", "write "+name+": ...")
		}
	}
}

// table reads a map from texts to anything.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "keys with values are wanted here, this is "+kindOf(n), "write key: value, one a line")
		return
	}
	defer func(before bool) { d.foreign = before }(d.foreign)
	d.foreign = true
	m := reflect.MakeMap(v.Type())
	d.keys(n, func(key, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(value, e, join(path, key.Value))
		m.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), e)
	})
	v.Set(m)
}

func (d *decoder) keys(n *yaml.Node, each func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			d.fail(key, "a key is a plain word", "write key: value")
		case key.Tag == "!!merge":
			d.fail(key, "merges are not read here", "write the keys out")
		case twice:
			d.fail(key, fmt.Sprintf("key %s comes twice, first on line %d", Inert(key.Value), line), "keep one of them")
		default:
			seen[key.Value] = key.Line
			each(key, value)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a set of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "a text"
}

// nearest is the known word that a mistyped one is likely to mean: at most two
// letters away, or a third of it.
func nearest(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the edit distance of two words; long ones are far from all.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

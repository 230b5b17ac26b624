package checklist

import (
	"reflect"
	"strings"

	"gantry/config"
)

// inert makes every text of the data of an event harmless for a terminal. The
// journal is written by others, and this is where its texts enter.
func inert(data any) { walk(reflect.ValueOf(data).Elem(), false) }

// walk goes through v; lines keeps the line breaks of a text that may have them.
func walk(v reflect.Value, lines bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(harmless(v.String(), lines))
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), lines)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				walk(value, field.Name == "Help")
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), lines)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		clean := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, key := range v.MapKeys() {
			k, e := reflect.New(key.Type()).Elem(), reflect.New(v.Type().Elem()).Elem()
			k.Set(key)
			e.Set(v.MapIndex(key))
			walk(k, false)
			walk(e, lines)
			clean.SetMapIndex(k, e)
		}
		v.Set(clean)
	}
}

func harmless(text string, lines bool) string {
	if !lines {
		return config.Inert(text)
	}
	parts := strings.Split(text, "\n")
	for i := range parts {
		parts[i] = config.Inert(parts[i])
	}
	return strings.Join(parts, "\n")
}

package config

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema of release.yaml, by which editors complete and check
// it.
func Schema() ([]byte, error) {
	words := func(all ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: all} }
	form := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern}
	}
	types := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Name]():        form(nameForm.String()),
		reflect.TypeFor[Series]():      form(seriesForm.String()),
		reflect.TypeFor[OS]():          form(osForm.String()),
		reflect.TypeFor[Version]():     form(versionForm.String()),
		reflect.TypeFor[Secret]():      form(`^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$`),
		reflect.TypeFor[Duration]():    form(`^([0-9]+d|([0-9.]+(ms|s|m|h))+)$`),
		reflect.TypeFor[Arch]():        form(archForm.String()),
		reflect.TypeFor[Format]():      words(FormatRPM, FormatDEB, FormatOCI, FormatTree),
		reflect.TypeFor[Checksums]():   words(ChecksumsAlways, ChecksumsRequired),
		reflect.TypeFor[ForgeKind]():   words(GitHub, Forgejo),
		reflect.TypeFor[Policy]():      words(Replace, Accumulate),
		reflect.TypeFor[Compression](): words(Gzip, Zstd),
		reflect.TypeFor[Signatures]():  words(SignHeader, SignBoth),
		reflect.TypeFor[Stream]():      words(Stable, Beta, LookAhead, "lh"),
		reflect.TypeFor[Owner]():       form(`^[0-9]+:[0-9]+$`),
		reflect.TypeFor[Mode]():        form(`^[0-7]{1,5}$`),
		reflect.TypeFor[Delay]():       form(`^(0|[0-9]+d|([0-9.]+(ms|s|m|h))+)$`),
		reflect.TypeFor[Theme]():       words(Dark, Light, ColourBlind),
	}
	r := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Mapper:                     func(t reflect.Type) *jsonschema.Schema { return types[t] },
	}
	s := r.Reflect(&Release{})
	s.ID = ""
	s.Title = "release.yaml of gantry"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(b, '\n'), nil
}

package repodata

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// events are what a document tells, as our reader hands it out.
func events(r io.Reader, space, local string) (all []string, err error) {
	err = readXML(r, rootName{space, local}, func(path []string, attrs *attributes, text []byte) error {
		if attrs == nil {
			all = append(all, fmt.Sprintf("%q %q", path, text))
			return nil
		}
		var seen []string
		for _, name := range attrs.names() {
			if !strings.Contains(name, ":") {
				seen = append(seen, fmt.Sprintf("%s=%q", name, attribute(attrs, name)))
			}
		}
		all = append(all, fmt.Sprintf("%q %s", path, seen))
		return nil
	})
	return all, err
}

// reference is the same by encoding/xml.
func reference(data []byte, space, local string) (all []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var path []string
	var text []byte
	for {
		token, err := d.Token()
		if err == io.EOF && len(all) > 0 && len(path) == 0 {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == 0 && (len(all) > 0 || t.Name != xml.Name{Space: space, Local: local}) {
				return nil, errors.New("another root")
			}
			var seen []string
			for _, a := range t.Attr {
				if a.Name.Space == "" {
					seen = append(seen, fmt.Sprintf("%s=%q", a.Name.Local, a.Value))
				}
			}
			path, text = append(path, t.Name.Local), text[:0]
			all = append(all, fmt.Sprintf("%q %s", path, seen))
		case xml.EndElement:
			all = append(all, fmt.Sprintf("%q %q", path, text))
			path, text = path[:len(path)-1], text[:0]
		case xml.CharData:
			text = append(text, t...)
		}
	}
}

var documents = []string{
	`<?xml version="1.0" encoding="UTF-8"?>` + "\n<a xmlns=\"s\">\n <b c='1' d:e=\"2\"/><!-- x --><b>&lt;&#65;&#x42;\r\n<![CDATA[<&]]></b > </a>\n",
	`<a xmlns="s"><a:b xmlns:a="t" c="&quot;&gt;" x = "y>z"></a:b>é` + "\u2028</a>",
	"\xef\xbb\xbf<a xmlns=\"s\"><?php x?></a>",
	`<a xmlns="s"/>`,
}

// What our reader takes, encoding/xml takes too, and both see the same.
func FuzzReadXML(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := events(bytes.NewReader(data), "s", "a")
		if err != nil {
			return
		}
		want, err := reference(data, "s", "a")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-encoding/xml +ours):\n%s", err, diff)
		}
		slow, err := events(iotest.OneByteReader(bytes.NewReader(data)), "s", "a")
		if diff := cmp.Diff(got, slow); err != nil || diff != "" {
			t.Errorf("byte by byte: %v (-whole +bytes):\n%s", err, diff)
		}
	})
}

func TestDocumentsAreReadAsByOthers(t *testing.T) {
	for _, d := range documents {
		got, err := events(strings.NewReader(d), "s", "a")
		if err != nil {
			t.Errorf("%q: %v", d, err)
			continue
		}
		want, err := reference([]byte(d), "s", "a")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-encoding/xml +ours):\n%s", d, err, diff)
		}
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for _, test := range []struct{ doc, want string }{
		{``, "EOF"},
		{`<a xmlns="s">`, "EOF"},
		{`<a xmlns="s"></a><b`, "EOF"},
		{`<a xmlns="s"></a><!--`, "EOF"},
		{`<a xmlns="s"></a>x`, "outside"},
		{`x<a xmlns="s"></a>`, "outside"},
		{`<a xmlns="s"></b>`, "not begun"},
		{`<a xmlns="s"></a></a>`, "not begun"},
		{`<a xmlns="s"/><a xmlns="s"/>`, "belongs"},
		{`<b xmlns="s"/>`, "belongs"},
		{`<a xmlns="t"/>`, "belongs"},
		{`<x:a xmlns:x="s"/>`, "belongs"},
		{`<!DOCTYPE a><a xmlns="s"/>`, "document type"},
		{`<a xmlns="s">&b;</a>`, "entity"},
		{`<a xmlns="s">&lt</a>`, "entity"},
		{`<a xmlns="s" b="&c;"/>`, "entity"},
		{`<a xmlns="s">&#0;</a>`, "character"},
		{`<a xmlns="s">&#xd800;</a>`, "character"},
		{`<a xmlns="s">&#x110000;</a>`, "character"},
		{`<a xmlns="s">&#99999999999999999999;</a>`, "entity"},
		{"<a xmlns=\"s\">\x1b</a>", "character"},
		{"<a xmlns=\"s\">\xff</a>", "character"},
		{"<a xmlns=\"s\" b=\"\x00\"/>", "character"},
		{"<a xmlns=\"s\"><!--\x00--></a>", "character"},
		{"<a xmlns=\"s\"><![CDATA[\x00]]></a>", "character"},
		{`<a xmlns="s">]]></a>`, "]]>"},
		{`<a xmlns="s"><!-- -- --></a>`, "dashes"},
		{`<a xmlns="s"><b c="1" c="2"/></a>`, "two attributes"},
		{`<a xmlns="s"><b c=1/></a>`, "attribute"},
		{`<a xmlns="s"><b c/></a>`, "attribute"},
		{`<a xmlns="s"><b c="1"d="2"/></a>`, "attribute"},
		{`<a xmlns="s"><b c="<"/></a>`, "angle"},
		{`<a xmlns="s"><1/></a>`, "without a name"},
		{`<a xmlns="s">< b/></a>`, "without a name"},
		{`<a xmlns="s"><b:/></a>`, "without a name"},
		{` <?xml version="1.0"?><a xmlns="s"/>`, "not first"},
		{`<?xml version="1.1"?><a xmlns="s"/>`, "1.0"},
		{`<?xml version="1.0" encoding="UTF-7"?><a xmlns="s"/>`, "encoding"},
		{`<a xmlns="s">` + strings.Repeat("<b>", 6), "too deep"},
		{`<a xmlns="s"` + strings.Repeat(" ", 5<<20) + "/>", "too large"},
		{`<a xmlns="s">` + strings.Repeat("text ", 1<<20) + "</a>", "too large"},
		{`<a xmlns="s">` + strings.Repeat("text <!-- -->", 1<<20) + "</a>", "too large"},
		{`<a xmlns="s"><b` + manyAttributes(33) + "/></a>", "too many"},
	} {
		got, err := events(strings.NewReader(test.doc), "s", "a")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80q: got %v, %v, want an error with %q", test.doc, got, err, test.want)
		}
	}
}

func manyAttributes(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(` a%d=""`, i))
	}
	return strings.Join(slices.Compact(all), "")
}

// A reader's own error is not an end.
func TestErrorsOfReadersAreTold(t *testing.T) {
	broken := errors.New("broken")
	for _, doc := range []string{"", `<a xmlns="s">`, `<a xmlns="s"/>`} {
		if _, err := events(io.MultiReader(strings.NewReader(doc), iotest.ErrReader(broken)), "s", "a"); !errors.Is(err, broken) {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

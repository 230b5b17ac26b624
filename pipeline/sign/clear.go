package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// What text with a signature at its end is made of (RFC 4880, 7).
const (
	clearHead  = "-----BEGIN PGP SIGNED MESSAGE-----\n"
	clearHash  = "Hash: "
	clearEnd   = "-----BEGIN PGP SIGNATURE-----\n"
	clearClose = "-----END PGP SIGNATURE-----"

	maxClear = 16 << 20
)

// Clear is text with a signature over it in one: InRelease. The text consists of
// whole lines without space at their ends, which a signature would not cover.
func (k *Key) Clear(text []byte, at time.Time) ([]byte, error) {
	if err := plainLines(text); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	sig, err := k.signature(bytes.NewReader(canonical(text)), at, packet.SigTypeText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(clearHead + clearHash + "SHA256\n\n")
	for line := range bytes.Lines(text) {
		if line[0] == '-' {
			b.WriteString("- ")
		}
		b.Write(line)
	}
	b.Write(armored(openpgp.SignatureType, sig))
	again, err := k.public.VerifyClear(b.Bytes(), at)
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("other text comes out")
	}
	if err != nil {
		return nil, fmt.Errorf("sign: verify: %w", err)
	}
	return b.Bytes(), nil
}

// VerifyClear verifies text with a signature at its end and returns exactly what
// was signed, its lines ending as they do on Unix. Anything before, between or
// after is an error, as is space at the end of a line: other readers could take
// it for a part of the text.
func (p *Public) VerifyClear(signed []byte, at time.Time) ([]byte, error) {
	if len(signed) > maxClear {
		return nil, fmt.Errorf("%d bytes are too many for a signed text", len(signed))
	}
	errForm := errors.New("it is not text with one OpenPGP signature and nothing else")
	rest, ok := bytes.CutPrefix(signed, []byte(clearHead))
	if !ok {
		return nil, errForm
	}
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return nil, errForm
		}
		rest = after
		if len(line) == 0 {
			break
		}
		if !bytes.HasPrefix(line, []byte(clearHash)) {
			return nil, errForm
		}
	}
	var text []byte
	for {
		if bytes.HasPrefix(rest, []byte(clearEnd)) {
			break
		}
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return nil, errForm
		}
		if len(line) > 0 && line[0] == '-' {
			if line, ok = bytes.CutPrefix(line, []byte("- ")); !ok {
				return nil, errForm
			}
		}
		text = append(append(text, line...), '\n')
		rest = after
	}
	if err := plainLines(text); err != nil {
		return nil, err
	}
	if len(rest) > maxSignatureSize || len(block.FindAll(rest, 2)) != 1 || !bytes.HasSuffix(bytes.TrimRight(rest, "\n"), []byte(clearClose)) ||
		bytes.Count(rest, []byte(clearClose)) != 1 {
		return nil, errForm
	}
	armor, err := armor.Decode(bytes.NewReader(rest))
	if err != nil || armor.Type != openpgp.SignatureType {
		return nil, errForm
	}
	packets, err := io.ReadAll(armor.Body)
	if err != nil {
		return nil, errors.New("the armor of the signature is damaged")
	}
	v, err := p.begin(packets, at, packet.SigTypeText)
	if err != nil {
		return nil, err
	}
	v.Write(canonical(text))
	if err := v.Verify(); err != nil {
		return nil, err
	}
	return text, nil
}

// plainLines refuses text of which a signature would not cover all.
func plainLines(text []byte) error {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return errors.New("the text does not end with a line")
	}
	for line := range bytes.Lines(text) {
		line = line[:len(line)-1]
		if n := len(line); n > 0 && (line[n-1] == ' ' || line[n-1] == '\t' || bytes.IndexByte(line, '\r') >= 0) {
			return errors.New("a line of the text has space at its end, which no signature covers")
		}
	}
	return nil
}

// canonical is text as it is signed: lines end with CRLF, the last one with
// nothing.
func canonical(text []byte) []byte {
	return bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte("\r\n"))
}

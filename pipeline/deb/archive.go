package deb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// archive reads the members of an ar archive, one after the other (ar(5), in
// the form that deb(5) allows: no table of symbols, no long names).
type archive struct {
	r      *bufio.Reader
	member io.LimitedReader // what is left of the present one
	odd    bool             // a byte of padding follows it
}

const (
	arMagic    = "!<arch>\n"
	arHeadSize = 60
	arHeadEnd  = "`\n"
)

var errNotDeb = errors.New("it is not a Debian package")

// openArchive reads what an archive begins with.
func openArchive(r *bufio.Reader) (*archive, error) {
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, cut(err)
	}
	if string(magic) != arMagic {
		return nil, errNotDeb
	}
	return &archive{r: r, member: io.LimitedReader{R: r}}, nil
}

// next goes to the next member; what was not read of the one before is passed
// over. io.EOF tells that there is none.
func (a *archive) next() (name string, size int64, err error) {
	if err := a.skip(a.member.N); err != nil {
		return "", 0, err
	}
	a.member.N = 0
	if a.odd {
		// The padding of the last member may be missing.
		if _, err := a.r.ReadByte(); err != nil {
			return "", 0, err
		}
	}
	head := make([]byte, arHeadSize)
	if _, err := io.ReadFull(a.r, head); err == io.EOF {
		return "", 0, io.EOF
	} else if err != nil {
		return "", 0, cut(err)
	}
	if string(head[58:]) != arHeadEnd {
		return "", 0, fmt.Errorf("%w: a member of its archive does not begin where the one before ends", errNotDeb)
	}
	name = strings.TrimSuffix(strings.TrimRight(string(head[:16]), " "), "/")
	size, err = strconv.ParseInt(strings.TrimRight(string(head[48:58]), " "), 10, 64)
	if err != nil || size < 0 || head[48] == '+' || head[48] == '-' {
		return "", 0, fmt.Errorf("%w: the size of a member of its archive is no number", errNotDeb)
	}
	a.member.N, a.odd = size, size%2 == 1
	return name, size, nil
}

// skip passes over bytes, which must be there.
func (a *archive) skip(n int64) error {
	const most = 1 << 30
	for n > 0 {
		step := int(min(n, most))
		if _, err := a.r.Discard(step); err != nil {
			return cut(err)
		}
		n -= int64(step)
	}
	return nil
}

// cut says of what ends too early that it was cut short.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the package is cut short")
	}
	return err
}

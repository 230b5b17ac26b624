package check

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"gantry/config"
)

const (
	day         = 24 * time.Hour
	daysCaution = 14               // that a certificate should last where nobody said how long
	skewCaution = 30 * time.Second // that a clock may be off where nobody said how far
)

// lasting judges what goes wrong with time: the certificate and the clock.
func (p probe) lasting(a *answer) error {
	switch least := int(time.Duration(p.Certificate) / day); {
	case p.Certificate > 0 && a.days == nil:
		return config.Hint(fmt.Errorf("it shows no certificate"), "probe it by https, or leave certificate out")
	case p.Certificate > 0 && *a.days < least:
		return config.Hint(fmt.Errorf("its certificate lasts %s more, wanted are %d", days(*a.days), least), "renew it, and look why that did not happen by itself")
	case p.Certificate == 0 && a.days != nil && *a.days < daysCaution:
		a.cautions = append(a.cautions, fmt.Sprintf("its certificate lasts %s more", days(*a.days)))
	}
	switch most := time.Duration(p.Skew); {
	case most > 0 && a.skew == nil:
		return config.Hint(fmt.Errorf("it does not tell the time"), "probe an address that answers with a Date, or leave skew out")
	case most > 0 && a.skew.Abs() > most:
		return config.Hint(fmt.Errorf("its clock is %s, more than %s", off(*a.skew), most), "look at the time service there, and here")
	case most == 0 && a.skew != nil && a.skew.Abs() > skewCaution:
		a.cautions = append(a.cautions, "its clock is "+off(*a.skew))
	}
	return nil
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}

func off(skew time.Duration) string {
	switch {
	case skew < 0:
		return (-skew).String() + " behind ours"
	case skew > 0:
		return skew.String() + " ahead of ours"
	default:
		return "none"
	}
}

// certificate tells for how many whole days the server can be trusted: as long
// as every certificate of one chain to a root lasts. It is nil without TLS.
func certificate(state *tls.ConnectionState, now time.Time) *int {
	if state == nil || len(state.VerifiedChains) == 0 {
		return nil
	}
	var longest time.Time
	for _, chain := range state.VerifiedChains {
		if ends := shortest(chain); ends.After(longest) {
			longest = ends
		}
	}
	n := int(longest.Sub(now) / day)
	return &n
}

func shortest(chain []*x509.Certificate) time.Time {
	ends := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	return ends
}

// clock tells how far the server's clock is ahead of ours, by the Date of an
// answer that was made between two moments, and the Age that a cache gave it.
// Date has whole seconds, so that less than one cannot be told. It is nil where
// there is no Date.
func clock(h http.Header, before, after time.Time) *time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return nil
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		date = date.Add(time.Duration(age) * time.Second)
	}
	var skew time.Duration
	switch last := date.Add(time.Second); { // it is any moment of that second
	case date.After(after):
		skew = date.Sub(after)
	case last.Before(before):
		skew = last.Sub(before)
	}
	skew = skew.Round(time.Second)
	return &skew
}

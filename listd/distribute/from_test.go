package distribute

import (
	"context"
	"net"
	"testing"
	"time"
)

// zone answers for names; one with nil is an outage.
type zone struct {
	records map[string][]string
	asked   int
}

func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.asked++
	texts, ok := z.records[name]
	switch {
	case ok && texts == nil:
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return texts, nil
}

// TestStrictDMARC is the table of what a domain asks receivers for (RFC 7489 sections 6.3 and 6.6.3).
func TestStrictDMARC(t *testing.T) {
	z := &zone{records: map[string][]string{
		"_dmarc.reject.example.":        {"v=DMARC1; p=reject; rua=mailto:x@reject.example"},
		"_dmarc.quarantine.example.":    {"unrelated", "v=DMARC1;p=Quarantine ; pct=0"},
		"_dmarc.none.example.":          {"v=DMARC1; p=none; sp=reject"},
		"_dmarc.own.none.example.":      {"v=DMARC1; p=none"},
		"_dmarc.lax.example.":           {"v=DMARC1; p=reject; sp=none"},
		"_dmarc.two.example.":           {"v=DMARC1; p=reject", "v=DMARC1; p=reject"},
		"_dmarc.spf.example.":           {"v=spf1 -all", "p=reject; v=DMARC1", "v=DMARC2; p=reject"},
		"_dmarc.down.example.":          nil,
		"_dmarc.org.co.uk.":             {"v=DMARC1; p=reject"},
		"_dmarc.xn--bcher-kva.example.": {"v=DMARC1; p=none"},
	}}
	for domain, want := range map[string]bool{
		"reject.example": true, "a.b.reject.example": true, "quarantine.example": true, "none.example": false, "sub.none.example": true,
		"own.none.example": false, "lax.example": true, "sub.lax.example": false, "two.example": false, "spf.example": false,
		"absent.example": false, "other.co.uk": false, "mail.org.co.uk": true, "down.example": true, "sub.down.example": true,
		"bücher.example": false, "localhost": false,
	} {
		if got := New(Parts{DNS: z}).strictDMARC(t.Context(), domain); got != want {
			t.Errorf("%s: %v", domain, got)
		}
	}
}

// TestDMARCIsRemembered: an answer for an hour, an outage for a minute, so that it does not delay every post.
func TestDMARCIsRemembered(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	z := &zone{records: map[string][]string{"_dmarc.a.example.": nil}}
	d := New(Parts{DNS: z, Clock: func() time.Time { return now }})
	ask := func(want bool, asked int) {
		t.Helper()
		if got := d.strictDMARC(t.Context(), "a.example"); got != want || z.asked != asked {
			t.Errorf("%v after %d questions, want %v after %d", got, z.asked, want, asked)
		}
	}
	ask(true, 1)
	z.records["_dmarc.a.example."] = []string{"v=DMARC1; p=none"}
	ask(true, 1)
	now = now.Add(dmarcLost)
	ask(false, 2)
	z.records["_dmarc.a.example."] = []string{"v=DMARC1; p=reject"}
	now = now.Add(dmarcKept - time.Second)
	ask(false, 2)
	now = now.Add(time.Second)
	ask(true, 3)
}

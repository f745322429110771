package relay_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/relay"
)

// Invariant 6: what could be read as two messages, or as a command, is no
// Segment.
func TestSegmentRefuses(t *testing.T) {
	for _, octets := range []string{
		"\n", "\r", "\x00", "a\nb", "a\rb", "a\x00b", "a\r\n\nb", "a\r\r\nb", "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "a\r\n.\r.\r\n",
		"ends in CR\r", "\nbegins with LF", "a\r\n.\r\nMAIL FROM:<x@y>\nRCPT",
	} {
		if _, err := relay.NewSegment([]byte(octets)); !errors.Is(err, relay.ErrTransaction) {
			t.Errorf("%q was taken (%v)", octets, err)
		}
	}
}

// What a fake receives is what was sent, whatever the dots and however it is
// cut into segments.
func TestBodies(t *testing.T) {
	for _, c := range []struct {
		parts []string
		want  string // "": the parts joined
	}{
		{parts: []string{"a\r\n"}},
		{parts: []string{"\r\n.\r\n..\r\n...\r\n.a\r\n"}},
		{parts: []string{".\r\n"}},
		{parts: []string{".", ".", "\r\n"}},
		{parts: []string{"a\r\n", ".\r\n", ".b\r\n"}},
		{parts: []string{"a", ".b", "\r\n.c\r\n"}},
		{parts: []string{"a\r\n", "", ".", "\r\n"}},
		{parts: []string{"no end"}, want: "no end\r\n"},
		{parts: []string{"a\r\n", "."}, want: "a\r\n.\r\n"},
		{parts: []string{"", ""}, want: ""},
		{parts: nil, want: ""},
		{parts: []string{strings.Repeat(strings.Repeat("y", 76)+"\r\n.\r\n", 40_000)}}, // over a MiB
	} {
		want := c.want
		if want == "" {
			want = strings.Join(c.parts, "")
		}
		f := newFake(t, func(d *dialogue) {
			d.greet("PIPELINING", "SIZE 100000000")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			if got := d.message(); got != want {
				d.t.Errorf("%.60q arrived as %.60q", c.parts, got)
			}
			d.say("250 ok")
			d.end()
		})
		r := newRelay(t, f, relay.Config{})
		tr := relay.Transaction{ForwardPath: "a@b.example", Body: segments(c.parts...)}
		if o := sendOver(t, r, tr); o.err != nil || o.results[0].Class != relay.Relayed {
			t.Errorf("%.60q: %+v", c.parts, o)
		}
		closeRelay(t, r)
	}
}

// Whatever octets make a Segment, the wire has no line that is a lone dot
// before the end, no bare CR and no bare LF, and the octets come back.
func FuzzSegment(f *testing.F) {
	for _, s := range []string{"", ".", "\r\n.\r\n", "a\r\n..b\r\n", "\n.\n", "a\r", "\r\n\r\n.\r\r\n"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, octets []byte, cut int) {
		given := slices.Clone(octets)
		cut = max(0, min(cut, len(octets)))
		a, errA := relay.NewSegment(octets[:cut])
		b, errB := relay.NewSegment(octets[cut:])
		whole, err := relay.NewSegment(octets)
		if errA != nil || errB != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q is refused whole and taken in parts", octets)
		}
		for _, body := range [][]relay.Segment{{whole}, {a, b}} {
			wire := relay.Wire(body)
			if !strings.HasSuffix(wire, ".\r\n") {
				t.Fatalf("%q ends without a dot: %q", octets, wire)
			}
			var back strings.Builder
			lines := strings.SplitAfter(strings.TrimSuffix(wire, ".\r\n"), "\r\n")
			for _, line := range lines {
				text := strings.TrimSuffix(line, "\r\n")
				if text == "." || strings.ContainsAny(text, "\r\n\x00") || line == text && line != "" {
					t.Fatalf("%q: line %q on the wire", octets, line)
				}
				back.WriteString(strings.TrimPrefix(line, "."))
			}
			if got := back.String(); got != string(octets) && got != string(octets)+"\r\n" {
				t.Fatalf("%q came back as %q", octets, got)
			}
		}
		if !slices.Equal(given, octets) {
			t.Fatal("the octets were changed")
		}
	})
}

// Invariant 6: an address that could end its command is never written; the
// others go on.
func TestAddressesAreChecked(t *testing.T) {
	f := newFake(t, polite(1))
	ts := []relay.Transaction{}
	bad := []string{
		"a@b.example\r\nRCPT TO:<x@y.example", "a@b.example> SIZE=1", "<a@b.example", "a b@c.example", "a\x00@b.example", "a\n@b.example",
		"a\r@b.example", "a\x7f@b.example", "a\t@b.example", "", "a\xff@b.example", strings.Repeat("a", 255),
	}
	for _, a := range bad {
		ts = append(ts, relay.Transaction{ForwardPath: a, Body: segments("x\r\n")})
		if a != "" {
			ts = append(ts, relay.Transaction{ForwardPath: "ok@b.example", ReversePath: a, Body: segments("x\r\n")})
		}
	}
	ts = append(ts, transactions(1)...)
	o := sendOver(t, newRelay(t, f, relay.Config{}), ts...)
	for i, r := range o.results[:len(ts)-1] {
		if r.Class != relay.Permanent || !errors.Is(r.Err, relay.ErrTransaction) || r.Code != 0 {
			t.Errorf("%q, %q: %s", ts[i].ReversePath, ts[i].ForwardPath, summary(r))
		}
	}
	if last := o.results[len(ts)-1]; o.err != nil || last.Class != relay.Relayed {
		t.Errorf("the good one: %s", summary(last))
	}
}

// The parameters of MAIL follow what the message needs and the hop knows.
func TestParameters(t *testing.T) {
	eight := relay.Transaction{ReversePath: "l@x.example", ForwardPath: "a@b.example", Body: segments("8: \xc3\xbc\r\n")}
	seven := relay.Transaction{ReversePath: "l@x.example", ForwardPath: "a@b.example", Body: segments("7\r\n")}
	utf := relay.Transaction{ReversePath: "l@x.example", ForwardPath: "ü@b.example", Body: segments("7\r\n")}
	dsn := relay.Transaction{ReversePath: "l@x.example", ForwardPath: "a+b@c.example", EnvelopeID: "a+b= c", Body: segments("7\r\n")}
	null := relay.Transaction{ForwardPath: "a@b.example", Body: segments(".7\r\n")}
	for _, c := range []struct {
		extensions []string
		t          relay.Transaction
		want       string // of the MAIL line; "" is a permanent failure
		rcpt       string // behind the forward-path
	}{
		{[]string{"PIPELINING", "8BITMIME", "SIZE 1000", "SMTPUTF8"}, eight, "MAIL FROM:<l@x.example> SIZE=7 BODY=8BITMIME\r\n", ""},
		{[]string{"PIPELINING", "8bitmime", "Size", "smtputf8"}, seven, "MAIL FROM:<l@x.example> SIZE=3\r\n", ""},
		{[]string{"PIPELINING", "8BITMIME", "SIZE 0", "SMTPUTF8"}, utf, "MAIL FROM:<l@x.example> SIZE=3 SMTPUTF8\r\n", ""},
		{[]string{"PIPELINING"}, eight, "MAIL FROM:<l@x.example>\r\n", ""}, // 8BITMIME is missing
		{[]string{"PIPELINING", "SIZE 4"}, null, "MAIL FROM:<> SIZE=4\r\n", ""},
		{[]string{"PIPELINING", "8BITMIME"}, utf, "", ""},
		{[]string{"PIPELINING", "SIZE 6"}, eight, "", ""},
		{[]string{"PIPELINING", "DSN"}, dsn, "MAIL FROM:<l@x.example> RET=HDRS ENVID=a+2Bb+3D+20c\r\n", " NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@c.example"},
		{[]string{"PIPELINING"}, dsn, "MAIL FROM:<l@x.example>\r\n", ""},
		{[]string{"PIPELINING", "DSN", "SMTPUTF8"}, utf, "MAIL FROM:<l@x.example> SMTPUTF8 RET=HDRS\r\n", " NOTIFY=FAILURE"},
		{[]string{"PIPELINING", "DSN"}, null, "MAIL FROM:<>\r\n", ""}, // nobody to report to
		{[]string{"PIPELINING", "DSN"}, seven, "MAIL FROM:<l@x.example> RET=HDRS\r\n", " NOTIFY=FAILURE ORCPT=rfc822;a@b.example"},
	} {
		f := newFake(t, func(d *dialogue) {
			d.greet(c.extensions...)
			if c.want != "" {
				d.hear(c.want, "RCPT TO:<"+c.t.ForwardPath+">"+c.rcpt+"\r\n", "DATA\r\n")
				d.say("250 ok", "250 ok", "354 go")
				d.message()
				d.say("250 ok")
			}
			d.end()
		})
		r := newRelay(t, f, relay.Config{})
		o := sendOver(t, r, c.t)
		closeRelay(t, r)
		switch got := o.results[0]; {
		case o.err != nil, c.want != "" && got.Class != relay.Relayed:
			t.Errorf("%v: %v %s", c.extensions, o.err, summary(got))
		case c.want == "" && (got.Class != relay.Permanent || !errors.Is(got.Err, relay.ErrSMTPUTF8) && !errors.Is(got.Err, relay.ErrSize)):
			t.Errorf("%v: %s", c.extensions, summary(got))
		}
	}
}

package bounce_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func TestDecay(t *testing.T) {
	for _, c := range []struct {
		points bounce.Points
		after  time.Duration
		want   bounce.Points
	}{
		{1000, 0, 1000}, {1000, -day, 1000}, {1000, bounce.HalfLife, 500}, {4000, 2 * bounce.HalfLife, 1000}, {0, day, 0}, {1000, 100 * bounce.HalfLife, 0}, {1000, day, 989},
	} {
		if got := c.points.At(start, start.Add(c.after)); got != c.want {
			t.Errorf("%d after %s: %d, not %d", c.points, c.after, got, c.want)
		}
	}
}

func TestWeight(t *testing.T) {
	for status, want := range map[bounce.Status]bounce.Points{
		"5.1.1": 1000, "5.1.10": 1000, "5.2.1": 1000, "5.0.0": 1000, "5.4.1": 1000, "5.5.0": 1000,
		"5.2.2": 200, "5.2.3": 200, "5.3.4": 200, "5.7.1": 200, "5.6.0": 200, "5.1.8": 200, "5.4.6": 200, "4.4.7": 200, "4.2.2": 200, "": 200,
	} {
		if got := status.Weight(); got != want {
			t.Errorf("%q weighs %d, not %d", status, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	for text, want := range map[string]bounce.Status{
		"550 5.1.1 <a@example.net>... none": "5.1.1", "5.1.1": "5.1.1", "5.1.1 (bad)": "5.1.1", "550 no": "5.0.0", "(#5.1.2)": "5.1.2", "host 192.5.1.1 says 451 later": "4.0.0",
		"version 4.1.2.3": "", "on 2026-01-01 at 12:00": "", "said 551.": "5.0.0", "5500": "", "#5.7.1.": "5.7.1",
	} {
		if got := bounce.ParseStatus(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	for _, c := range []struct {
		code     int
		enhanced string
		want     bounce.Status
	}{{550, "5.1.1", "5.1.1"}, {550, "", "5.0.0"}, {550, "4.1.1", "5.0.0"}, {451, "4.2.2", "4.2.2"}, {550, "5.1.1\r\nx", "5.0.0"}, {0, "", "4.4.0"}} {
		if got := bounce.FromReply(c.code, c.enhanced); got != c.want {
			t.Errorf("%d %q: %q, not %q", c.code, c.enhanced, got, c.want)
		}
	}
}

func TestAbout(t *testing.T) {
	bob := list.MustParseAddress("bob@example.net")
	failed := func(a string, s bounce.Status) bounce.Recipient {
		return bounce.Recipient{Address: a, Action: bounce.Failed, Status: s}
	}
	for _, c := range []struct {
		name   string
		report bounce.Report
		counts bool
		status bounce.Status
	}{
		{"his", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{failed("BOB@Example.net", "5.2.2"), failed("x@example.net", "5.1.1")}}, true, "5.2.2"},
		{"forwarded", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{failed("x@example.net", "4.4.7"), failed("y@example.net", "5.1.1")}}, true, "5.1.1"},
		{"as it was mailed to", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{failed("y@example.net", "5.1.1"), {Address: "x@example.net", Original: "bob@example.net", Action: bounce.Failed, Status: "4.4.7"}}}, true, "4.4.7"},
		{"delayed", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{{Address: "bob@example.net", Action: bounce.Delayed, Status: "4.4.1"}}}, false, "4.4.1"},
		{"delivered", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{{Address: "bob@example.net", Action: bounce.Delivered, Status: "2.0.0"}}}, false, "2.0.0"},
		{"failed with success", bounce.Report{Kind: bounce.DSN, Recipients: []bounce.Recipient{failed("bob@example.net", "2.0.0")}}, false, "2.0.0"},
		{"nobody", bounce.Report{Kind: bounce.AutoReply}, false, ""},
	} {
		if f := c.report.About(bob); f.Counts != c.counts || f.Status != c.status || f.Complaint {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	if f := (bounce.Report{Kind: bounce.ARF, Recipients: []bounce.Recipient{{}}}).About(bob); !f.Complaint || f.Counts {
		t.Errorf("a complaint: %+v", f)
	}
}

func TestJudge(t *testing.T) {
	defaults := list.DefaultPolicy()
	off := defaults
	off.BounceNotify, off.BounceSuspend, off.BounceRemove = 0, 0, 0
	for _, c := range []struct {
		name   string
		policy list.Policy
		is     bounce.Standing
		want   bounce.Verdict
	}{
		{"little", defaults, bounce.Standing{Score: 1999}, bounce.Verdict{}},
		{"enough to tell", defaults, bounce.Standing{Score: 2000}, bounce.Verdict{Step: bounce.Notified}},
		{"told already", defaults, bounce.Standing{Score: 3000, Step: bounce.Notified}, bounce.Verdict{Step: bounce.Notified}},
		{"less again", defaults, bounce.Standing{Score: 1000, Step: bounce.Notified}, bounce.Verdict{}},
		{"enough to suspend", defaults, bounce.Standing{Score: 5000, Step: bounce.Notified}, bounce.Verdict{Step: bounce.Suspended, Due: start.Add(7 * day), Probe: true}},
		{"suspended by people", defaults, bounce.Standing{Score: 9000, Suspended: true}, bounce.Verdict{}},
		{"a complaint", defaults, bounce.Standing{Complaint: true}, bounce.Verdict{Step: bounce.Suspended, Probe: true}},
		{"a complaint where nothing else counts", off, bounce.Standing{Score: 9000, Complaint: true}, bounce.Verdict{Step: bounce.Suspended, Probe: true}},
		{"a complaint never removes", defaults, bounce.Standing{Score: 99000, Complaint: true, Suspended: true, Step: bounce.Suspended, Since: start.Add(-99 * day)}, bounce.Verdict{Step: bounce.Suspended}},
		{"too soon to remove", defaults, bounce.Standing{Score: 9000, Suspended: true, Step: bounce.Suspended, Since: start.Add(-8 * day)}, bounce.Verdict{Step: bounce.Suspended, Due: start.Add(6 * day), Probe: true}},
		{"a bounce of before", defaults, bounce.Standing{Score: 6000, Suspended: true, Step: bounce.Suspended, Since: start.Add(-day)}, bounce.Verdict{Step: bounce.Suspended, Due: start.Add(6 * day)}},
		{"removed", defaults, bounce.Standing{Score: 8000, Suspended: true, Step: bounce.Suspended, Since: start.Add(-14 * day)}, bounce.Verdict{Step: bounce.Removed}},
		{"never removed", off, bounce.Standing{Score: 99000, Suspended: true, Step: bounce.Suspended, Since: start.Add(-20 * day)}, bounce.Verdict{Step: bounce.Suspended, Due: start.Add(day), Probe: true}},
		{"written to often enough", defaults, bounce.Standing{Score: 6000, Suspended: true, Step: bounce.Suspended, Since: start.Add(-56 * day)}, bounce.Verdict{Step: bounce.Suspended}},
		{"resumed", defaults, bounce.Standing{Score: 6000, Step: bounce.Suspended, Since: start.Add(-day)}, bounce.Verdict{}},
		{"nothing counts", off, bounce.Standing{Score: 99000}, bounce.Verdict{}},
	} {
		if got := bounce.Judge(c.policy, c.is, start); got != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
	}
}

// TestHowLongItTakes says in days what docs/bounces.md says of the defaults.
func TestHowLongItTakes(t *testing.T) {
	reach := func(from bounce.Points, every time.Duration, weight, threshold bounce.Points) int {
		score, days := from, 0
		for n := 1; n < 1000; n++ {
			score = score.At(start, start.Add(every)) + weight
			days += int(every / day)
			if score >= threshold {
				return days
			}
		}
		return 0
	}
	if got := reach(1000, day, 1000, 5000); got != 5 {
		t.Errorf("an address that is gone, a post a day: suspended after %d days", got)
	}
	if got := reach(200, day, 200, 5000); got != 29 {
		t.Errorf("a mailbox that is full, a post a day: suspended after %d days", got)
	}
	if got := reach(5000, 7*day, 1000, 8000); got != 42 {
		t.Errorf("suspended, and each mail comes back: removed after %d days", got)
	}
}

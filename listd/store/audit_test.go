package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// TestAuditFilter: each filter by itself, and together.
func TestAuditFilter(t *testing.T) {
	w := newWorld(t)
	begin := w.clock.now()
	for _, e := range []store.AuditEntry{
		{Actor: "anna@example.org", Action: "subscribe", List: w.list, Object: "anna@example.org"},
		{Actor: "anna@example.org (claimed)", Action: "decide", List: w.list, Object: "item1"},
		{Actor: "a_na@example.org", Action: "cert pin", Object: "ffff"},
		{Actor: "listmaster (user root)", Action: "cert block", Object: "ffff"},
		{Actor: "listmaster (user root)", Action: "certify", Object: "50%"},
	} {
		w.must(w.Audit(w.ctx, e))
		w.clock.add(time.Hour)
	}
	for name, c := range map[string]struct {
		filter store.AuditFilter
		want   string
	}{
		"all":                {store.AuditFilter{}, "1 2 3 4 5"},
		"a list":             {store.AuditFilter{List: w.list}, "1 2"},
		"who, marked or not": {store.AuditFilter{Actor: "anna@example.org"}, "1 2"},
		"who, as it stands":  {store.AuditFilter{Actor: "anna@example.org (claimed)"}, "2"},
		"no wildcards":       {store.AuditFilter{Actor: "a_na@example.org"}, "3"},
		"the listmaster":     {store.AuditFilter{Actor: "listmaster"}, "4 5"},
		"a kind":             {store.AuditFilter{Action: "cert"}, "3 4"},
		"one thing":          {store.AuditFilter{Action: "cert pin"}, "3"},
		"an object":          {store.AuditFilter{Object: "ffff"}, "3 4"},
		"since":              {store.AuditFilter{Since: begin.Add(3 * time.Hour)}, "4 5"},
		"until":              {store.AuditFilter{Until: begin.Add(time.Hour)}, "1"},
		"the oldest":         {store.AuditFilter{Limit: 2}, "1 2"},
		"the newest":         {store.AuditFilter{Limit: 2, Newest: true}, "4 5"},
		"the page behind":    {store.AuditFilter{After: 3}, "4 5"},
		"together":           {store.AuditFilter{Actor: "listmaster", Action: "cert", Object: "ffff", Since: begin}, "4"},
	} {
		entries, err := w.AuditEntries(w.ctx, c.filter)
		w.must(err)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprint(e.ID))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// TestAuditStays: the database itself refuses to change an entry, and only the purge takes them away, when their time is
// over.
func TestAuditStays(t *testing.T) {
	w := newWorld(t)
	for range 1500 {
		w.must(w.Exec(w.ctx, fmt.Sprintf(`INSERT INTO audit (at, actor, action, list, object, detail) VALUES (%d, 'a', 'old', 0, '', '{}')`, w.clock.now().UnixMicro())))
	}
	w.clock.add(time.Hour)
	w.must(w.Audit(w.ctx, store.AuditEntry{Actor: "a", Action: "new"}))
	if err := w.Exec(w.ctx, `UPDATE audit SET actor = 'b'`); err == nil || !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("changed: %v", err)
	}
	n, err := w.PurgeAudit(w.ctx, w.clock.now())
	w.must(err)
	left, err := w.AuditEntries(w.ctx, store.AuditFilter{})
	w.must(err)
	if n != 1500 || len(left) != 1 || left[0].Action != "new" || left[0].Actor != "a" {
		t.Errorf("%d removed, %+v left", n, left)
	}
}

// TestAuditIsAppendOnly reads the program's SQL: nothing changes an entry, and one place removes some.
func TestAuditIsAppendOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	w := newWorld(t)
	w.must(err)
	changes := regexp.MustCompile(`(?i)\b(UPDATE|DELETE FROM|REPLACE INTO|TRUNCATE|ALTER TABLE|DROP TABLE)\s+(TABLE\s+)?audit\b`)
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		w.must(err)
		for _, match := range changes.FindAllString(string(text), -1) {
			found = append(found, file+": "+match)
		}
	}
	if !slices.Equal(found, []string{"audit.go: DELETE FROM audit"}) {
		t.Errorf("%q", found)
	}
}

// TestDecisionsLeaveEntries: in their transaction, or not at all.
func TestDecisionsLeaveEntries(t *testing.T) {
	w := newWorld(t)
	id := w.accept("x")
	decide := func(state store.ItemState) error {
		return w.Decide(w.ctx, store.Decided{Item: id, State: state, Audit: &store.AuditEntry{Actor: "anna@example.org", Action: "decide", Detail: map[string]string{"rule": "send.public:1"}},
			Harvest: []store.Certificate{{Address: addr("anna@example.org"), DER: []byte{0x30, 0}, Source: "harvest"}}})
	}
	w.must(decide(store.ItemRejected))
	if err := decide(store.ItemDone); err == nil {
		t.Error("decided twice")
	}
	entries, err := w.AuditEntries(w.ctx, store.AuditFilter{})
	w.must(err)
	if len(entries) != 2 || entries[0].Object != id || entries[0].List != w.list || entries[0].Detail["rule"] != "send.public:1" ||
		entries[1].Action != "cert harvest" || entries[1].Actor != "anna@example.org" || entries[1].Detail["item"] != id {
		t.Errorf("%+v", entries)
	}
}

// TestExpiriesAreToldOnce, whoever tells them; and forgotten when their time is over.
func TestExpiriesAreToldOnce(t *testing.T) {
	w := newWorld(t)
	told := []store.ExpiryTold{{Audience: "holder", Address: "Anna@Example.org", Fingerprint: "ff", Stage: 30}}
	mail := store.Notice{Template: "t", To: addr("anna@example.org")}
	for i, want := range []int{1, 0} {
		if n, err := w.TellExpiries(w.ctx, told, w.clock.now().Add(time.Hour), mail); n != want || err != nil {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
	told[0].Stage = 14
	if n, err := w.TellExpiries(w.ctx, told, w.clock.now().Add(time.Hour), mail); n != 1 || err != nil {
		t.Error(n, err)
	}
	got, err := w.ToldExpiries(w.ctx, "holder")
	w.must(err)
	if len(got) != 1 || got[[2]string{"anna@example.org", "ff"}] != 14 {
		t.Errorf("%v", got)
	}
	w.clock.add(time.Hour)
	if n, err := w.ForgetExpiries(w.ctx); n != 2 || err != nil {
		t.Error(n, err)
	}
}

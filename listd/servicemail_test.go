package listd_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// TestSealedNotice is invariant 12: what is to leave sealed leaves encrypted to its addressee, or not at all.
func TestSealedNotice(t *testing.T) {
	w := newWorld(t)
	const secret = "what nobody else may read"
	var notices []store.Notice
	for _, name := range []string{"alice", "nobody"} {
		notices = append(notices, store.Notice{Template: notice.ListmasterReport, To: list.MustParseAddress(name + "@example.org"),
			Params: map[string]string{"host": "lists.example.org"}, Lines: []string{secret}, Sealed: true})
	}
	_, err := w.sealist.Store.QueueNotices(t.Context(), notices)
	w.must(err)
	w.start()
	mail := w.sink.Wait(1)[0]
	w.until("the other is withheld", func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryWithheld})
		w.must(err)
		return len(all) == 1 && all[0].Address.String() == "nobody@example.org"
	})
	e := parse(t, mail.Octets)
	if bytes.Contains(mail.Octets, []byte("nobody else")) || len(w.sink.Wait(1)) != 1 || e.Header().Get("Subject") == "" {
		t.Errorf("%s", mail.Octets)
	}
	m := smime.Open(e, smime.Options{Keys: []cms.Key{w.people["alice"].DecryptKey()}})
	if m.Err != nil || !strings.Contains(string(m.Payload.Octets()), secret) {
		t.Errorf("%v", m.Err)
	}
}

// shown is service mail as its addressee reads it: the fields outside, then the content with its own, opened with his key and
// out of the signature of its list.
func (w *world) shown(octets []byte, name string) string {
	w.t.Helper()
	e := parse(w.t, octets)
	m := smime.Open(e, smime.Options{Keys: []cms.Key{w.people[name].DecryptKey()}})
	if m.Err != nil || m.Content == nil {
		w.t.Fatalf("%v\n%s", m.Err, octets)
	}
	for _, l := range m.Layers {
		for _, s := range l.Signers {
			if s.Err != nil {
				w.t.Errorf("the signature does not hold: %v", s.Err)
			}
		}
	}
	var outside entity.Header
	for _, f := range e.Header() {
		if typ := strings.ToLower(f.Name); !strings.HasPrefix(typ, "content-") && typ != "mime-version" {
			outside = append(outside, f)
		}
	}
	body, err := m.Content.Decoded()
	w.must(err)
	return string(outside.Octets()) + "\r\n" + string(m.Content.Header().Octets()) + "\r\n" + string(body)
}

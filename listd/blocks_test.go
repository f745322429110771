package listd_test

import (
	"testing"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestBlockedWhileTheServerRuns: what a listmaster blocks beside a running server is used for nothing a moment later,
// neither to encrypt to nor to believe.
func TestBlockedWhileTheServerRuns(t *testing.T) {
	w := newWorld(t)
	w.start()
	beside, err := store.Open(t.Context(), w.config.Store.URL, store.Options{DataDir: w.config.DataDir})
	w.must(err)
	defer beside.Close()
	post := func() (store.Item, map[string]store.DeliveryState) {
		item, deliveries := w.settled(w.send("alice@example.org", secretList, mail("alice@example.org", secretList, smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList]))))
		states := map[string]store.DeliveryState{}
		for _, d := range deliveries {
			if d.Kind == store.KindCopy {
				states[d.Address.Local()] = d.State
			}
		}
		return item, states
	}
	block := func(name string) {
		_, err := beside.PutMark(t.Context(), store.Mark{Kind: store.MarkBlock, Fingerprint: trust.Fingerprint(w.people[name].Certificate), Actor: "test"})
		w.must(err)
		w.until("the server knows", func() bool {
			return w.sealist.Judge.Judge(w.people[name].Certificate, trust.Signing, w.people[name].Certificate.NotBefore, nil).Reason == trust.Blocked
		})
	}
	if _, states := post(); states["bob"] != store.DeliveryRelayed {
		t.Errorf("%v", states)
	}
	block("bob")
	if _, states := post(); states["bob"] != store.DeliveryWithheld || states["carol"] != store.DeliveryRelayed {
		t.Errorf("%v", states)
	}
	block("alice")
	if item, states := post(); item.State != store.ItemRejected || len(states) != 0 {
		t.Errorf("%s, %v", item.State, states)
	}
}

package listd_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// refer gives a list a key of which there is only a reference.
func (w *world) refer(address, uri string, id *smimetest.Identity) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	_, err = w.sealist.Store.PutKey(w.t.Context(), store.KeyRow{List: l.ID, Fingerprint: trust.Fingerprint(id.Certificate), PublicKey: "of " + address,
		Certificate: id.Certificate.Raw, PKCS8: []byte(uri), State: store.KeyActive})
	w.must(err)
	w.keys[address] = id
}

// TestKeyInNoModule: where the key of a list cannot be reached, because this
// program was built without PKCS#11 or has no module, mail that needs the key
// waits and says why; the list's mail in clear and other lists go on.
func TestKeyInNoModule(t *testing.T) {
	w := newWorld(t).byHand()
	w.refer(plainList, "pkcs11:token=lists;object=plain", w.ca.Issue(plainList))
	w.start()
	alice := w.people["alice"]
	waits := w.send(alice.Address, plainList, mail(alice.Address, plainList, smimetest.Encrypt(alice.Sign(text), w.keys[plainList])))
	w.until("it waits", func() bool {
		item, err := w.sealist.Store.Item(t.Context(), waits.ID)
		w.must(err)
		return item.State == store.ItemAccepted && strings.HasPrefix(item.Reason, "locked: ")
	})
	clear := w.send(alice.Address, plainList, mail(alice.Address, plainList, alice.Sign(text)))
	other := w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])))
	for what, item := range map[string]store.Item{"in clear": clear, "to another list": other} {
		w.until("the copies are out "+what, func() bool { // what the author is told of the first is signed, and waits
			copies, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID, State: store.DeliveryRelayed, Kind: store.KindCopy})
			w.must(err)
			return len(copies) == 3
		})
	}
	if s := w.logged(); strings.Contains(s, marker) {
		t.Error("the log has what was encrypted")
	}
}

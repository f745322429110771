package keyring_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// other is a key pair of the second list.
func (w *world) otherBundle() keyring.Bundle {
	id := w.ca.Issue("other@lists.example.org", smimetest.ECP256)
	return keyring.Bundle{Certificate: id.Certificate, Private: id.Private}
}

// The key password changes under a server that runs: what is open stays so,
// nothing is written under the old one, and nothing is lost.
func TestRekey(t *testing.T) {
	w := newWorld(t)
	w.install("secret")
	server := w.keyring("secret")
	if keys, err := server.Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	before, err := server.HMAC(w.ctx, "token", []byte("x"))
	w.must(err)
	_, err = w.keyring("secret").Install(w.ctx, w.other, w.otherBundle()) // which the server has not opened
	w.must(err)
	_, _, err = w.keyring("secret").Request(w.ctx, w.list, "p256", keyring.Both)
	w.must(err)

	if _, _, err := w.keyring("wrong").Rekey(w.ctx, []byte("another")); !errors.Is(err, keyring.ErrPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, _, err := w.keyring("secret").Rekey(w.ctx, []byte("secret")); !errors.Is(err, keyring.ErrSamePassword) {
		t.Errorf("with the same: %v", err)
	}
	tool := w.keyring("secret")
	changed, damaged, err := tool.Rekey(w.ctx, []byte("another"))
	if err != nil || changed != 3 || len(damaged) != 0 {
		t.Fatalf("%d keys, damaged %v, %v", changed, damaged, err)
	}

	t.Run("the server goes on", func(t *testing.T) {
		if keys, err := server.Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
			t.Errorf("the key that was open: %v, %v", keys, err)
		}
		if mac, err := server.HMAC(w.ctx, "token", []byte("x")); err != nil || string(mac) != string(before) {
			t.Errorf("HMAC: %v", err)
		}
	})
	t.Run("and hears of it", func(t *testing.T) {
		if err := server.Current(w.ctx); !errors.Is(err, keyring.ErrLocked) || !strings.Contains(err.Error(), "reload") {
			t.Errorf("%v", err)
		}
		if _, err := server.Keys(w.ctx, w.other); !errors.Is(err, keyring.ErrLocked) || !strings.Contains(err.Error(), "it was changed") {
			t.Errorf("a key that was not open: %v", err)
		}
	})
	t.Run("and writes nothing under the old one", func(t *testing.T) {
		if _, err := server.Install(w.ctx, w.other, w.otherBundle()); !errors.Is(err, keyring.ErrPassword) {
			t.Errorf("%v", err)
		}
		if rows, err := w.store.Keys(w.ctx, w.other); err != nil || len(rows) != 1 {
			t.Errorf("%d keys, %v", len(rows), err)
		}
		if keys, err := server.Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
			t.Errorf("having tried, it lost the key that was open: %v, %v", keys, err)
		}
	})
	for who, k := range map[string]*keyring.Keyring{"the tool": tool, "a new server": w.keyring("another")} {
		n, err := k.OpenAll(w.ctx)
		mac, macErr := k.HMAC(w.ctx, "token", []byte("x"))
		if err != nil || n != 2 || macErr != nil || string(mac) != string(before) {
			t.Errorf("%s: %d keys, %v, %v", who, n, err, macErr)
		}
	}
	if err := w.keyring("secret").Locked(); !errors.Is(err, keyring.ErrPassword) {
		t.Errorf("the old password: %v", err)
	}
}

// Whatever comes first, what was stored opens under the password that counts.
func TestRekeyBesideInstalls(t *testing.T) {
	w := newWorld(t)
	w.install("secret")
	var ids []list.ID
	for i := range 12 {
		id, err := w.store.CreateList(w.ctx, list.List{Address: list.MustParseAddress(fmt.Sprintf("l%d@lists.example.org", i))})
		w.must(err)
		ids = append(ids, id)
	}
	var busy sync.WaitGroup
	var mu sync.Mutex
	stored := 1
	for i, id := range ids {
		k := w.keyring("secret")
		busy.Go(func() {
			one := w.ca.Issue(fmt.Sprintf("l%d@lists.example.org", i), smimetest.ECP256)
			_, err := k.Install(w.ctx, id, keyring.Bundle{Certificate: one.Certificate, Private: one.Private})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stored++
			} else if !errors.Is(err, keyring.ErrPassword) {
				t.Error(err)
			}
		})
	}
	_, damaged, err := w.keyring("secret").Rekey(w.ctx, []byte("another"))
	busy.Wait()
	if err != nil || len(damaged) > 0 {
		t.Fatal(damaged, err)
	}
	if n, err := w.keyring("another").OpenAll(w.ctx); err != nil || n != stored {
		t.Errorf("%d keys open of %d stored, %v", n, stored, err)
	}
}

// A damaged key harms itself only, and stays what it is.
func TestRekeyLeavesDamagedKeys(t *testing.T) {
	w := newWorld(t)
	w.install("secret")
	_, err := w.store.PutKey(w.ctx, store.KeyRow{List: w.other, Fingerprint: "f", PublicKey: "p", PKCS8: []byte("junk"), State: store.KeyActive})
	w.must(err)
	changed, damaged, err := w.keyring("secret").Rekey(w.ctx, []byte("another"))
	if err != nil || changed != 1 || len(damaged) != 1 || damaged[0] != "f" {
		t.Errorf("%d, %v, %v", changed, damaged, err)
	}
	if keys, err := w.keyring("another").Keys(w.ctx, w.list); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestWeak(t *testing.T) {
	for password, weak := range map[string]bool{
		"": true, "short": true, "elevenchars": true, "aaaaaaaaaaaaaaaaaaaaaaaa": true, "abababababababab": true, "ääööüüää": true,
		"correct horse": false, "0123456789ab": false, "äöüßéèêçñøåæ": false,
	} {
		if got := keyring.Weak([]byte(password)); (got != "") != weak {
			t.Errorf("%q: %q", password, got)
		}
	}
}

// Five hundred lists with RSA keys are ready in less than a second, with the
// derivation that counts: its cost is paid once.
func TestFiveHundredLists(t *testing.T) {
	w := newWorld(t)
	k := keyring.Open(w.ctx, w.store, []byte("secret"), keyring.Options{})
	_, err := k.Install(w.ctx, w.list, w.bundle())
	w.must(err)
	rows, err := w.store.Keys(w.ctx, w.list)
	w.must(err)
	for i := range 499 { // the same key pair under other names: making so many takes a minute
		id, err := w.store.CreateList(w.ctx, list.List{Address: list.MustParseAddress(fmt.Sprintf("l%d@lists.example.org", i))})
		w.must(err)
		row := rows[0]
		row.List, row.Fingerprint, row.PublicKey = id, fmt.Sprint("f", i), fmt.Sprint("p", i)
		_, err = w.store.PutKey(w.ctx, row)
		w.must(err)
	}
	k = keyring.Open(w.ctx, w.store, []byte("secret"), keyring.Options{})
	begun := time.Now()
	w.must(k.Locked())
	derived := time.Since(begun)
	n, err := k.OpenAll(w.ctx)
	took := time.Since(begun)
	t.Logf("500 lists in %v, of which the derivation %v", took.Round(time.Millisecond), derived.Round(time.Millisecond))
	if err != nil || n != 500 {
		t.Fatalf("%d open, %v", n, err)
	}
	if took > time.Second && took > 10*derived { // a machine that is busy is slow at both
		t.Errorf("it took %v after a derivation of %v", took, derived)
	}
}

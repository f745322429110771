package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// Keys change all together or not at all, and only as they were seen.
func TestChangeKeys(t *testing.T) {
	w := newWorld(t)
	w.must(w.PutSecretOnce(w.ctx, "s", []byte("old")))
	for _, f := range []string{"f1", "f2"} {
		_, err := w.PutKey(w.ctx, store.KeyRow{List: w.list, Fingerprint: f, PublicKey: f, Certificate: []byte("c"), PKCS8: []byte("k"), State: store.KeyActive})
		w.must(err)
	}
	row := func(f string) store.KeyRow {
		t.Helper()
		k, err := w.Key(w.ctx, f)
		w.must(err)
		return k
	}
	as := func(f string, state store.KeyState, pkcs8 string) store.KeyReplacement {
		k := row(f)
		k.State, k.PKCS8, k.Until = state, []byte(pkcs8), time.UnixMicro(5)
		return store.KeyReplacement{KeyRow: k, Was: store.KeyActive}
	}
	added := store.KeyRow{List: w.list, Fingerprint: "f3", PublicKey: "p3", Certificate: []byte("c"), PKCS8: []byte("k"), State: store.KeyStaged}
	stale := as("f2", store.KeyDecryptOnly, "k")
	stale.Was = store.KeyStaged
	for name, c := range map[string]struct {
		change store.KeyChange
		want   error
	}{
		"another secret":           {store.KeyChange{SecretName: "s", Under: []byte("other"), Add: []store.KeyRow{added}, Replace: []store.KeyReplacement{as("f1", store.KeyRetired, "")}}, store.ErrSecretChanged},
		"another state":            {store.KeyChange{Add: []store.KeyRow{added}, Replace: []store.KeyReplacement{as("f1", store.KeyRetired, ""), stale}}, store.ErrKeysChanged},
		"not all":                  {store.KeyChange{SecretName: "s", Under: []byte("old"), Secret: []byte("new"), All: true, Replace: []store.KeyReplacement{as("f1", store.KeyActive, "n")}}, store.ErrKeysChanged},
		"the certificate is there": {store.KeyChange{Replace: []store.KeyReplacement{as("f1", store.KeyRetired, "")}, Add: []store.KeyRow{row("f2")}}, store.ErrExists},
	} {
		if err := w.ChangeKeys(w.ctx, c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if rows, err := w.Keys(w.ctx, w.list); err != nil || len(rows) != 2 || row("f1").State != store.KeyActive || string(row("f1").PKCS8) != "k" {
			t.Fatalf("%s: something was changed: %+v, %v", name, rows, err)
		}
		if s, err := w.Secret(w.ctx, "s"); err != nil || string(s) != "old" {
			t.Fatalf("%s: the secret is %s, %v", name, s, err)
		}
	}
	w.must(w.ChangeKeys(w.ctx, store.KeyChange{SecretName: "s", Under: []byte("old"), Secret: []byte("new"), All: true, Add: nil,
		Replace: []store.KeyReplacement{as("f1", store.KeyDecryptOnly, "n"), as("f2", store.KeyActive, "n")}}))
	if k := row("f1"); k.State != store.KeyDecryptOnly || string(k.PKCS8) != "n" || !k.Until.Equal(time.UnixMicro(5)) || k.List != w.list {
		t.Errorf("%+v", k)
	}
	if due, err := w.KeysDue(w.ctx, time.UnixMicro(4)); err != nil || len(due) != 0 {
		t.Errorf("before its end: %d, %v", len(due), err)
	}
	if due, err := w.KeysDue(w.ctx, time.UnixMicro(5)); err != nil || len(due) != 1 || due[0].Fingerprint != "f1" {
		t.Errorf("at its end: %+v, %v", due, err)
	}
	if _, err := w.Key(w.ctx, "f9"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that is not there: %v", err)
	}
}

package store_test

import (
	"errors"
	"os"
	"testing"

	"github.com/sealist/sealist/listd/store"
)

// Nothing is accepted into a file that the next start would not find.
func TestAcceptRefusesWhileTheFileIsGone(t *testing.T) {
	w := newFile(t)
	accept := func() error {
		_, err := w.Accept(w.ctx, store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: w.list, Kind: store.KindPost, ForwardPath: addr("news@lists.example.org")}}})
		return err
	}
	path, aside := w.Path(), w.Path()+".aside"
	w.must(accept())
	w.must(os.Rename(path, aside))
	if err := accept(); !errors.Is(err, store.ErrGone) {
		t.Errorf("moved away: %v", err)
	}
	w.must(os.WriteFile(path, nil, 0o600))
	if err := accept(); !errors.Is(err, store.ErrGone) {
		t.Errorf("another file: %v", err)
	}
	w.must(os.Rename(aside, path))
	w.must(accept())
}

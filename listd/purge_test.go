package listd_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/store"
)

// TestPurgesWhileItRuns lets eight days pass in a server that is not started
// anew: what strangers sent to an owner does not fill the disk for good.
func TestPurgesWhileItRuns(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	var later atomic.Int64
	var err error
	w.sealist, err = listd.Open(t.Context(), w.config, listd.Options{
		Log: slog.New(slog.NewTextHandler(w, nil)), KeyIterations: 1000,
		Clock: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
		Ready: func(urls []string) { w.ready <- strings.TrimPrefix(urls[0], "smtp://") },
	})
	w.must(err)
	w.start()
	item, _ := w.settled(w.send("x@example.net", "wall-owner@lists.example.org", []byte("Subject: x\r\n\r\nx\r\n")))
	if _, err := w.sealist.Store.Octets(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	later.Store(int64(8 * 24 * time.Hour))
	w.until("the octets are gone", func() bool {
		_, err := w.sealist.Store.Octets(t.Context(), item)
		return errors.Is(err, store.ErrNotFound)
	})
}

package listd_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// BenchmarkPost measures one encrypted post to a thousand members, from its
// acceptance to the last result in the database, with SQLite and fsync, a
// certificate a member in the PEM folder, and a discarding sink in this
// process: copies/s, and the time until the first copy.
func BenchmarkPost(b *testing.B) {
	for _, size := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) { benchmarkPost(b, 1000, size) })
	}
}

func benchmarkPost(b *testing.B, members, size int) {
	w := newWorld(b)
	w.sink.Stop()
	w.sink = peer.StartSink(b, peer.SinkOptions{Discard: true})
	w.must(w.sealist.Close())
	w.config.Relay.Address = w.sink.URL
	w.open()
	l, err := w.sealist.Store.List(b.Context(), list.MustParseAddress(secretList))
	w.must(err)
	rows := make([]list.Member, members)
	for i := range rows {
		id := w.ca.Issue(fmt.Sprintf("m%d@example.org", i))
		w.file(filepath.Join("data", "X509-user-certs", id.Address), id.CertificatePEM())
		rows[i] = list.Member{Address: list.MustParseAddress(id.Address), Role: list.RoleMember}
	}
	_, err = w.sealist.Store.AddMembers(b.Context(), l.ID, rows)
	w.must(err)
	w.start()
	alice := w.people["alice"]
	text := smimetest.Text(string(bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"), size/64)))
	var first, all time.Duration
	for b.Loop() {
		post := mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])) // the same again would be a duplicate
		start := time.Now()
		item := w.send(alice.Address, secretList, post)
		for seen := false; ; {
			counts, err := w.sealist.Store.CountDeliveries(b.Context(), item.ID)
			w.must(err)
			if !seen && counts[store.DeliveryRelayed] > 0 {
				seen, first = true, first+time.Since(start)
			}
			if counts[store.DeliveryRelayed] >= members+3 {
				break
			}
			if bad := counts[store.DeliveryFailed] + counts[store.DeliveryWithheld] + counts[store.DeliveryCancelled]; bad > 0 || time.Since(start) > time.Minute {
				b.Fatalf("after %s: %v\n%s", time.Since(start), counts, w.logged())
			}
			time.Sleep(time.Millisecond) // between two looks at the database
		}
		all += time.Since(start)
	}
	b.ReportMetric(float64(members+3)*float64(b.N)/all.Seconds(), "copies/s")
	b.ReportMetric(first.Seconds()*1000/float64(b.N), "first-ms")
}

package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// BenchmarkClaimComplete is the queue's two transactions a batch, with fsync.
// One operation is one delivery claimed and completed.
func BenchmarkClaimComplete(b *testing.B) {
	for _, batch := range []int{50, 200, 500} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) {
			w := newWorld(b)
			const members = 5000
			w.members(members)
			left := 0
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				if left == 0 {
					b.StopTimer()
					w.distribute(w.accept("x"))
					left = members
					b.StartTimer()
				}
				now := w.clock.now()
				claimed, err := w.ClaimDeliveries(w.ctx, "node", now, now.Add(time.Minute), batch)
				w.must(err)
				all := outcomes(claimed, store.DeliveryRelayed)
				for i := range all {
					all[i].Certificate = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
					all[i].Cipher = "aes256-cbc"
				}
				w.must(w.Complete(w.ctx, all))
				left -= len(claimed)
				done += len(claimed)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkMemberOf is the question asked for every batch before it is sealed.
func BenchmarkMemberOf(b *testing.B) {
	w := newWorld(b)
	addresses := w.members(10000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i += 200 {
		if i+200 > len(addresses) {
			i = 0
		}
		found, err := w.MemberOf(w.ctx, w.list, addresses[i:i+200])
		if err != nil || len(found) != 200 {
			b.Fatal(len(found), err)
		}
	}
	b.ReportMetric(200*float64(b.N)/b.Elapsed().Seconds(), "members/s")
}

// BenchmarkAccept is one durable message after the other.
func BenchmarkAccept(b *testing.B) {
	w := newWorld(b)
	octets := make([]byte, 10000)
	for b.Loop() {
		_, err := w.Accept(w.ctx, store.Incoming{Octets: octets, Targets: []store.Target{{List: w.list, Kind: store.KindPost}}})
		w.must(err)
	}
}

// BenchmarkExpand writes the rows of 5,000 members; one operation is one row.
func BenchmarkExpand(b *testing.B) {
	w := newWorld(b)
	var all []list.Member
	for i := range 100000 {
		all = append(all, list.Member{Address: addr(fmt.Sprintf("m%06d@example.org", i))})
	}
	_, err := w.AddMembers(w.ctx, w.list, all)
	w.must(err)
	b.ResetTimer()
	for n := 0; n < b.N; {
		id := w.accept("x")
		w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))
		for done := false; !done && n < b.N; {
			var rows int
			rows, done, err = w.Expand(w.ctx, id, 5000)
			w.must(err)
			n += rows
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

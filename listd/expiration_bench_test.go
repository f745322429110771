package listd_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// BenchmarkCertExpiration runs chk_cert_expiration over 10,000 members with harvested certificates: none of which ends, and
// all of which end on the day, as after a PKI's first year.
func BenchmarkCertExpiration(b *testing.B) {
	const members = 10_000
	w := newWorld(b).byHand()
	l, err := w.sealist.Store.List(b.Context(), list.MustParseAddress(wallList))
	w.must(err)
	var all []list.Member
	end := time.Now().AddDate(0, 0, 60)
	for i := range members {
		a := list.MustParseAddress(fmt.Sprintf("u%d@example.org", i))
		all = append(all, list.Member{Address: a})
		id := w.ca.Issue(a.String(), smimetest.Validity(end.AddDate(-1, 0, 0), end))
		_, err := w.sealist.Store.PutCertificate(b.Context(), store.Certificate{Address: a, DER: id.Certificate.Raw, Source: "harvest"})
		w.must(err)
	}
	_, err = w.sealist.Store.AddMembers(b.Context(), l.ID, append(all, list.Member{Address: list.MustParseAddress("olga@example.org"), Role: list.RoleOwner}))
	w.must(err)
	for _, c := range []struct {
		name string
		days int
		told string
	}{
		{"none ends", 0, ""}, {"all end", 31, "told 10000 holders, 1 owners and 0 listmasters"}, {"all were told", 0, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			w.jump(time.Duration(c.days) * aDay)
			begin := time.Now()
			if said := w.run("chk_cert_expiration"); said != c.told {
				b.Error(said)
			}
			b.ReportMetric(time.Since(begin).Seconds(), "s/run")
		})
	}
}

package listd_test

import (
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
)

// BenchmarkTenThousand resolves 10,000 members with distinct certificates, path validation included: cold from slapd over
// LDAPS, from memory, and from the database after a restart; and cold with a round trip of 5 ms. Run it with -benchtime 3x.
func BenchmarkTenThousand(b *testing.B) {
	for _, bits := range []int{2048, 4096} {
		b.Run(fmt.Sprintf("RSA-%d CA", bits), func(b *testing.B) { benchmarkTenThousand(b, bits) })
	}
}

func benchmarkTenThousand(b *testing.B, bits int) {
	const members = 10_000
	ca := smimetest.NewCA("Corp CA", smimetest.RSA(bits))
	server := smimetest.NewCA("LDAP CA", smimetest.ECP256)
	id := server.Issue("ldap", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth), smimetest.KeyUsage(x509.KeyUsageDigitalSignature),
		func(t *smimetest.Template) { t.X509.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	var entries []peer.Entry
	var addresses []string
	for i := range members {
		address := fmt.Sprintf("u%d@corp.example", i)
		entries = append(entries, peer.Person(fmt.Sprintf("u%d", i), address, ca.Issue(address).Certificate.Raw))
		addresses = append(addresses, address)
	}
	slapd := peer.StartSlapd(b, peer.SlapdOptions{Certificate: id.CertificatePEM(), Key: id.KeyPEM(), Entries: entries, Anonymous: true})
	w := &world{t: b, dir: b.TempDir()}
	folder := 0
	settings := func(url string) *config.Config {
		folder++
		c := config.Default()
		c.DataDir = filepath.Join(w.dir, fmt.Sprint("data", folder))
		c.Trust.CAFile = w.file("ca.pem", ca.PEM())
		c.Directories = []config.Directory{{Name: "corp", Preset: "openldap", URLs: []string{url}, CAFile: w.file("ldap.pem", server.PEM()), BaseDN: peer.SlapdPeopleDN, Domains: []string{"corp.example"}}}
		c.Complete()
		return c
	}
	open := func(c *config.Config) *listd.Sealist {
		s, err := listd.Open(b.Context(), c, listd.Options{})
		w.must(err)
		return s
	}
	resolve := func(s *listd.Sealist) {
		for batch := range slices.Chunk(addresses, 500) {
			for _, r := range s.Resolver.Resolve(b.Context(), batch, resolver.Allowances{}) {
				if len(r.Certificates) != 1 {
					b.Fatalf("%+v", r)
				}
			}
		}
	}
	cold := func(b *testing.B, url string) {
		for b.Loop() {
			b.StopTimer()
			s := open(settings(url))
			b.StartTimer()
			resolve(s)
			b.StopTimer()
			w.must(s.Close())
			b.StartTimer()
		}
	}
	b.Run("cold", func(b *testing.B) { cold(b, slapd.TLSURL) })
	b.Run("cold, 5 ms round trip", func(b *testing.B) {
		cold(b, "ldaps://"+delayed(b, strings.TrimPrefix(slapd.TLSURL, "ldaps://"), 5*time.Millisecond))
	})
	kept := settings(slapd.TLSURL)
	s := open(kept)
	resolve(s)
	b.Run("from memory", func(b *testing.B) {
		before := slapd.Searches()
		for b.Loop() {
			resolve(s)
		}
		b.ReportMetric(float64(slapd.Searches()-before), "searches")
	})
	w.must(s.Close())
	b.Run("after a restart", func(b *testing.B) {
		before := slapd.Searches()
		var held uint64
		for b.Loop() {
			b.StopTimer()
			s := open(kept)
			b.StartTimer()
			resolve(s)
			b.StopTimer()
			with := heap()
			s.Resolver.Forget()
			held = with - min(with, heap())
			w.must(s.Close())
			b.StartTimer()
		}
		b.ReportMetric(float64(slapd.Searches()-before), "searches")
		b.ReportMetric(float64(held)/members, "octets/member")
	})
}

// heap is what is in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// delayed listens before a server and adds half of a round trip to each direction.
func delayed(b *testing.B, server string, roundTrip time.Duration) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	pipe := func(to, from net.Conn) {
		type part struct {
			at     time.Time
			octets []byte
		}
		parts := make(chan part, 4096)
		go func() {
			defer to.Close()
			for p := range parts {
				time.Sleep(time.Until(p.at))
				if _, err := to.Write(p.octets); err != nil {
					from.Close()
				}
			}
		}()
		defer close(parts)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				parts <- part{time.Now().Add(roundTrip / 2), buffer[:n]}
			}
			if err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go pipe(upstream, client)
			go pipe(client, upstream)
		}
	}()
	return l.Addr().String()
}

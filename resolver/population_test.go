package resolver_test

import (
	"cmp"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// variant is one way in which a certificate can differ, with the reason it is refused for, if that is the only defect.
type variant struct {
	name    string
	options []smimetest.Option
	reason  trust.Reason
}

// person is one generated certificate with what must become of it: it is usable exactly if no defect is listed.
type person struct {
	name    string
	cert    *x509.Certificate
	defects []trust.Reason
	ec      bool
}

// population is every combination of key, key usage, extended key usage, dates, addresses and chain.
func population(t testing.TB) (people []person, anchor *smimetest.CA, helpers [][]byte) {
	t.Helper()
	root := smimetest.NewCA("Corp Root", smimetest.ECP256)
	issuing := root.Sub("Issuing CA", smimetest.ECP256)
	lost := root.Sub("Lost CA", smimetest.ECP256) // its certificate is at hand nowhere
	twin := smimetest.NewCA("Corp Root", smimetest.ECP256)
	cas := []struct {
		name   string
		ca     *smimetest.CA
		reason trust.Reason
	}{{"root", root, ""}, {"intermediate", issuing, ""}, {"lost intermediate", lost, trust.UnknownCA}, {"namesake", twin, trust.UnknownCA}}
	keys := []variant{{"EC", []smimetest.Option{smimetest.ECP256}, ""}, {"RSA", nil, ""}}
	usages := func(ec bool) []variant {
		right := x509.KeyUsageKeyEncipherment
		if ec {
			right = x509.KeyUsageKeyAgreement
		}
		return []variant{
			{"no KU", []smimetest.Option{smimetest.KeyUsage()}, ""},
			{"encryption KU", []smimetest.Option{smimetest.KeyUsage(right)}, ""},
			{"both KU", []smimetest.Option{smimetest.KeyUsage(right | x509.KeyUsageDigitalSignature)}, ""},
			{"signing KU", []smimetest.Option{smimetest.KeyUsage(x509.KeyUsageDigitalSignature)}, trust.WrongUsage},
		}
	}
	ekus := []variant{
		{"no EKU", []smimetest.Option{smimetest.ExtKeyUsage()}, ""},
		{"mail EKU", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageEmailProtection)}, ""},
		{"any EKU", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageAny)}, ""},
		{"TLS EKU", []smimetest.Option{smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth)}, trust.WrongUsage},
	}
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	dates := []variant{
		{"valid", []smimetest.Option{smimetest.Validity(hour(-10), hour(10))}, ""},
		{"expired", []smimetest.Option{smimetest.Validity(hour(-10), hour(-1))}, trust.Expired},
		{"early", []smimetest.Option{smimetest.Validity(hour(1), hour(10))}, trust.NotYetValid},
	}
	names := []variant{
		{"SAN", []smimetest.Option{smimetest.Addresses("alice@corp.example")}, ""},
		{"third SAN, other case", []smimetest.Option{smimetest.Addresses("a@x.example", "b@x.example", "Alice@CORP.example")}, ""},
		{"subject", []smimetest.Option{smimetest.NoSAN, smimetest.DNEmail("alice@corp.example")}, ""},
		{"none", []smimetest.Option{smimetest.NoSAN}, trust.NoAddress},
		{"other", []smimetest.Option{smimetest.Addresses("bob@corp.example")}, trust.AddressMismatch},
	}
	for _, key := range keys {
		ec := key.name == "EC"
		for _, ca := range cas {
			for _, ku := range usages(ec) {
				for _, eku := range ekus {
					for _, date := range dates {
						for _, name := range names {
							options := slices.Concat(key.options, ku.options, eku.options, date.options, name.options)
							p := person{name: fmt.Sprint(key.name, ", ", ca.name, ", ", ku.name, ", ", eku.name, ", ", date.name, ", ", name.name), ec: ec,
								cert: ca.ca.Issue("alice@corp.example", options...).Certificate}
							for _, reason := range []trust.Reason{ca.reason, ku.reason, eku.reason, date.reason, name.reason} {
								if reason != "" {
									p.defects = append(p.defects, reason)
								}
							}
							people = append(people, p)
						}
					}
				}
			}
		}
	}
	return people, root, [][]byte{issuing.Certificate.Raw}
}

// TestPopulation: each of all combinations is used, or refused for one of the defects it has.
func TestPopulation(t *testing.T) {
	people, root, helpers := population(t)
	t.Logf("%d certificates", len(people))
	usable := 0
	for _, p := range people {
		s := holding("ldap")
		s.helpers = helpers
		s.add("alice@corp.example", p.cert)
		result := resolveOne(t, resolver.New([]resolver.Source{s}, trusting(root), resolver.Options{}), "alice@corp.example")
		switch {
		case len(p.defects) == 0:
			usable++
			if len(result.Certificates) != 1 || len(result.Refused) != 0 {
				t.Errorf("%s: refused: %+v", p.name, result.Refused)
			}
		case len(result.Certificates) != 0:
			t.Errorf("%s: used", p.name)
		case len(result.Refused) != 1 || !slices.Contains(p.defects, result.Refused[0].Reason):
			t.Errorf("%s: %+v, want one of %v", p.name, result.Refused, p.defects)
		}
	}
	if usable != 2*2*3*3*1*3 {
		t.Errorf("%d are usable", usable)
	}
}

// TestOrderDoesNotMatter: whatever an entry holds, the order of its values changes nothing about the answer.
func TestOrderDoesNotMatter(t *testing.T) {
	people, root, helpers := population(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	policy := trusting(root)
	for range 60 {
		// An entry with a few of them, some usable, one twice, and something unreadable.
		var entry []directory.Candidate
		var want []person
		for range 1 + random.IntN(12) {
			p := people[random.IntN(len(people))]
			if random.IntN(2) == 0 {
				p = sound(people, random)
			}
			copies := 1 + random.IntN(2)
			for range copies {
				entry = append(entry, directory.Candidate{Certificate: p.cert.Raw,
					Origin: directory.Origin{Source: "ldap", Entry: "cn=alice", Attribute: fmt.Sprint("attribute", random.IntN(3))}})
			}
			if len(p.defects) == 0 && !slices.ContainsFunc(want, func(q person) bool { return q.cert == p.cert }) {
				want = append(want, p)
			}
		}
		entry = append(entry, directory.Candidate{Certificate: []byte("garbage")})
		var first string
		for range 8 {
			random.Shuffle(len(entry), func(i, j int) { entry[i], entry[j] = entry[j], entry[i] })
			s := holding("ldap")
			s.helpers, s.entries["alice@corp.example"] = helpers, entry
			result := resolveOne(t, resolver.New([]resolver.Source{s}, policy, resolver.Options{}), "alice@corp.example")
			if got := told(t, result); first == "" {
				first = got
				check(t, result, want)
			} else if got != first {
				t.Fatalf("the order of the values matters:\n%s\n%s", first, got)
			}
		}
	}
}

func sound(people []person, random *rand.Rand) person {
	for {
		if p := people[random.IntN(len(people))]; len(p.defects) == 0 {
			return p
		}
	}
}

// check holds the result to a second way of choosing: RSA before EC, newest first, at most eight.
func check(t *testing.T, result resolver.Result, usable []person) {
	t.Helper()
	if slices.ContainsFunc(usable, func(p person) bool { return !p.ec }) {
		usable = slices.DeleteFunc(slices.Clone(usable), func(p person) bool { return p.ec })
	}
	slices.SortFunc(usable, func(a, b person) int {
		return cmp.Or(b.cert.NotBefore.Compare(a.cert.NotBefore), cmp.Compare(trust.Fingerprint(a.cert), trust.Fingerprint(b.cert)))
	})
	var want []string
	for _, p := range usable[:min(8, len(usable))] {
		want = append(want, trust.Fingerprint(p.cert))
	}
	if got := fingerprints(result.Certificates); !slices.Equal(got, want) {
		t.Errorf("used %v, want %v", got, want)
	}
}

// told is all that a result says, but the time taken.
func told(t *testing.T, r resolver.Result) string {
	t.Helper()
	type line struct{ Fingerprint, Origin, Reason, Detail string }
	var lines []line
	for _, u := range r.Certificates {
		lines = append(lines, line{u.Fingerprint, u.Origin.String(), "", ""})
	}
	for _, no := range r.Refused {
		lines = append(lines, line{no.Fingerprint, no.Origin.String(), string(no.Reason), no.Detail})
	}
	octets, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

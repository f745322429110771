package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/smime/smimetest"
)

const (
	memberDomain = "demo.example"
	listDomain   = "lists.demo.example"
	boardList    = "board@" + listDomain // encrypted
	helloList    = "hello@" + listDomain // plain, where one member says hello with a signed mail
)

// member is one of the eight people of the demo.
type member struct {
	name       string // local part of the address
	story      string // what is special about him or her
	identities []*smimetest.Identity
	reachable  bool // whether a copy must arrive
}

func (m member) address() string { return m.name + "@" + memberDomain }

// cast is everybody and everything that is made up for one demo.
type cast struct {
	ca      *smimetest.CA
	list    *smimetest.Identity
	members []member
	people  []person // what the directory knows
}

// author is the member who posts.
func (c *cast) author() *smimetest.Identity { return c.members[0].identities[0] }

// newCast issues every certificate of the demo.
func newCast(now time.Time) (*cast, error) {
	c := &cast{ca: smimetest.NewCA("Sealist demo CA")}
	c.list = c.ca.Issue(boardList)
	issue := func(name string, opts ...smimetest.Option) *smimetest.Identity {
		return c.ca.Issue(name+"@"+memberDomain, append([]smimetest.Option{smimetest.FreshKey}, opts...)...)
	}
	enroll := func(name, story string, reachable bool, identities ...*smimetest.Identity) {
		c.members = append(c.members, member{name: name, story: story, reachable: reachable, identities: identities})
	}
	publish := func(name, attribute string, values ...[]byte) {
		c.people = append(c.people, person{mail: name + "@" + memberDomain, attributes: map[string][][]byte{attribute: values}})
	}

	anna := issue("anna")
	enroll("anna", "RSA in userCertificate; writes the post", true, anna)
	publish("anna", "userCertificate;binary", anna.Certificate.Raw)

	bruno := issue("bruno", smimetest.ECP256)
	bundle, err := pkcs7.DegenerateCertificate(bruno.Certificate.Raw)
	if err != nil {
		return nil, fmt.Errorf("bundling a certificate: %w", err)
	}
	enroll("bruno", "EC P-256 in userSMIMECertificate", true, bruno)
	publish("bruno", "userSMIMECertificate", bundle)

	enroll("carla", "known from a signed mail only", true, issue("carla"))
	enroll("dario", "in the PEM folder, as dario@…@enc", true, issue("dario"))

	laptop, phone := issue("elena"), issue("elena")
	enroll("elena", "two valid certificates, two devices", true, laptop, phone)
	publish("elena", "userCertificate;binary", laptop.Certificate.Raw, phone.Certificate.Raw)

	fabio := issue("fabio", smimetest.Validity(now.AddDate(-1, 0, 0), now.AddDate(0, 0, -3)))
	enroll("fabio", "expired three days ago", false, fabio)
	publish("fabio", "userCertificate;binary", fabio.Certificate.Raw)

	greta := issue("greta", smimetest.SignOnly)
	enroll("greta", "may sign, may not be encrypted to", false, greta)
	publish("greta", "userCertificate;binary", greta.Certificate.Raw)

	enroll("hugo", "no certificate anywhere", false)
	return c, nil
}

// writeFiles puts the CA, every member's keys, and the PEM folder under dir.
func (c *cast) writeFiles(dir, pemFolder string) error {
	files := map[string][]byte{"ca.pem": c.ca.PEM()}
	for _, m := range c.members {
		for i, id := range m.identities {
			files[keyFile(m.name, i)] = id.KeyPEM()
			files[certFile(m.name, i)] = id.CertificatePEM()
		}
		if m.name == "dario" {
			files[filepath.Join(pemFolder, m.address()+"@enc")] = m.identities[0].CertificatePEM()
		}
	}
	for name, octets := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// keyFile and certFile name a member's files; the second device is name-2.
func keyFile(name string, i int) string  { return filepath.Join("keys", deviceName(name, i)+".key") }
func certFile(name string, i int) string { return filepath.Join("keys", deviceName(name, i)+".crt") }

func deviceName(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, i+1)
}

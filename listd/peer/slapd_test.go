package peer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/listd/peer"
)

// selfSigned makes a server certificate for 127.0.0.1, in PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func find(conn *ldap.Conn, filter string) ([]*ldap.Entry, error) {
	result, err := conn.Search(ldap.NewSearchRequest(peer.SlapdBaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		filter, []string{"userCertificate", "userSMIMECertificate", "mail"}, nil))
	if err != nil {
		return nil, err
	}
	return result.Entries, nil
}

func TestSlapd(t *testing.T) {
	certificate, key := selfSigned(t)
	der := []byte{0x30, 0x03, 0x02, 0x01, 0x00} // slapd checks the outside of a certificate only in some places: not this attribute
	mueller := peer.Person("mueller", "m@corp.example")
	mueller.Attributes["cn"] = []string{"Jörg Müller"}
	mueller.Attributes["userSMIMECertificate"] = []string{string(der)}
	directory := peer.StartSlapd(t, peer.SlapdOptions{Certificate: certificate, Key: key, SimpleBindNeedsTLS: true, SizeLimit: 2,
		Entries: []peer.Entry{mueller, peer.Person("b", "b@corp.example")}})

	plain, err := ldap.DialURL(directory.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.Bind(peer.SlapdServiceDN, peer.SlapdServiceSecret); !ldap.IsErrorWithCode(err, ldap.LDAPResultConfidentialityRequired) {
		t.Errorf("a password in clear: %v, want confidentialityRequired", err)
	}

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	conn, err := ldap.DialURL(directory.TLSURL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(peer.SlapdServiceDN, peer.SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	searches := directory.Searches()
	entries, err := find(conn, "(mail=m@corp.example)")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].GetAttributeValue("userSMIMECertificate") != string(der) {
		t.Errorf("found %v", entries)
	}
	if got := directory.Searches() - searches; got != 1 {
		t.Errorf("%d searches logged, want 1", got)
	}

	directory.Add(peer.Person("c", "c@corp.example"))
	directory.Replace("uid=c,"+peer.SlapdPeopleDN, "mail", "d@corp.example")
	if entries, err := find(conn, "(mail=d@corp.example)"); err != nil || len(entries) != 1 {
		t.Errorf("the added entry: %v, %v", entries, err)
	}
	if _, err := find(conn, "(mail=*)"); !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		t.Errorf("three entries: %v, want sizeLimitExceeded", err)
	}
	directory.Delete("uid=c," + peer.SlapdPeopleDN)

	directory.Stop()
	if _, err := ldap.DialURL(directory.URL); err == nil {
		t.Error("a stopped directory answers")
	}
	directory.Start()
	again, err := ldap.DialURL(directory.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.StartTLS(&tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := again.Bind(peer.SlapdServiceDN, peer.SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	if entries, err := find(again, "(uid=mueller)"); err != nil || len(entries) != 1 {
		t.Errorf("after a restart: %v, %v", entries, err)
	}

	directory.Freeze()
	again.SetTimeout(100 * time.Millisecond)
	if _, err := find(again, "(uid=mueller)"); err == nil {
		t.Error("a frozen directory answers")
	}
	directory.Thaw()
}

func TestSlapdHoldsTenThousandPeople(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	entries := make([]peer.Entry, 10000)
	for i := range entries {
		entries[i] = peer.Person(fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@corp.example", i))
	}
	directory := peer.StartSlapd(t, peer.SlapdOptions{Entries: entries, Anonymous: true})
	conn, err := ldap.DialURL(directory.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if found, err := find(conn, "(mail=u9999@corp.example)"); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

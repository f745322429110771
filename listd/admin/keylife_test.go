package admin_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// handIn is a PKCS#12 file of an identity's.
func handIn(id *smimetest.Identity) admin.KeyImport {
	return admin.KeyImport{P12: admin.P12{Name: "x.p12", Octets: id.PKCS12("pw"), Password: []byte("pw")}}
}

// told are the addresses that are to be told of a new certificate.
func (w *world) told() string {
	w.t.Helper()
	all, err := w.store.Deliveries(w.t.Context(), store.DeliveryFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var to []string
	for _, d := range all {
		if d.Notice != nil && d.Notice.Template == notice.NewListCertificate {
			to = append(to, d.Address.String())
		}
	}
	return strings.Join(to, " ")
}

// A rollover: staged, activated, everybody told once, the old one retired only
// when that harms nobody, or by force.
func TestRollover(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	old, next := w.ca.Issue(board, smimetest.FreshKey), w.ca.Issue(board, smimetest.FreshKey)
	if _, _, err := w.ImportKey(ctx, board, handIn(old)); err != nil {
		t.Fatal(err)
	}
	for role, people := range map[string]string{"member": "anna@example.org ben@example.org", "owner": "anna@example.org"} {
		if _, err := w.AddMembers(ctx, board, role, strings.Fields(people)); err != nil {
			t.Fatal(err)
		}
	}
	k := handIn(next)
	k.Staged = true
	details, warnings, err := w.ImportKey(ctx, board, k)
	if err != nil || len(warnings) > 0 || details.State != store.KeyStaged {
		t.Fatal(details.State, warnings, err)
	}
	if told := w.told(); told != "" {
		t.Errorf("of a staged key was told: %s", told)
	}
	fingerprint := trust.Fingerprint(next.Certificate)
	_, _, err = w.ActivateKey(ctx, board, fingerprint, time.Now().Add(-time.Hour))
	wantError(t, err, admin.Usage, "over")
	until := time.Now().Add(time.Hour)
	details, n, err := w.ActivateKey(ctx, board, strings.ToUpper(fingerprint[:12]), until)
	if err != nil || n != 2 || details.State != store.KeyActive {
		t.Fatal(details.State, n, err)
	}
	if told := w.told(); told != "anna@example.org ben@example.org" {
		t.Errorf("told: %s", told)
	}
	if _, n, err := w.ActivateKey(ctx, board, fingerprint, until); err != nil || n != 0 {
		t.Errorf("again: %d told, %v", n, err)
	}

	of := trust.Fingerprint(old.Certificate)
	_, err = w.RetireKey(ctx, board, fingerprint, false)
	wantError(t, err, admin.Refused, "is active")
	l, err := w.store.List(ctx, list.MustParseAddress(board))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Accept(ctx, store.Incoming{Octets: []byte("Subject: x\r\n\r\nx\r\n"), Targets: []store.Target{{List: l.ID, Kind: store.KindPost, ForwardPath: l.Address}}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.RetireKey(ctx, board, of, false)
	wantError(t, err, admin.Refused, "1 messages")
	details, err = w.RetireKey(ctx, board, of, true)
	if err != nil || details.State != store.KeyRetired || details.Subject == "" {
		t.Errorf("%+v, %v", details, err)
	}
	_, err = w.RetireKey(ctx, board, of, true)
	wantError(t, err, admin.Refused, "retired already")
	_, _, err = w.ActivateKey(ctx, board, of, time.Time{})
	wantError(t, err, admin.Refused, "another state")
	_, err = w.StageKey(ctx, board, "0123456789")
	wantError(t, err, admin.Refused, "no key with the fingerprint")

	for _, action := range []string{"key import " + of, "key import " + fingerprint, "key activate " + fingerprint, "key retire " + of} {
		if !strings.Contains(w.audited(), action) {
			t.Errorf("not in the audit log: %s", action)
		}
	}
}

// A step back to the old key: people have taken the new certificate, and are told
// again which one counts.
func TestStepBackIsTold(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	if _, err := w.AddMembers(ctx, board, "member", []string{"anna@example.org"}); err != nil {
		t.Fatal(err)
	}
	old, next := w.ca.Issue(board, smimetest.FreshKey), w.ca.Issue(board, smimetest.FreshKey)
	for _, id := range []*smimetest.Identity{old, next} {
		if _, _, err := w.ImportKey(ctx, board, handIn(id)); err != nil {
			t.Fatal(err)
		}
	}
	for again, want := range []int{1, 0} {
		if _, n, err := w.ActivateKey(ctx, board, trust.Fingerprint(old.Certificate), time.Now().Add(time.Hour)); err != nil || n != want {
			t.Errorf("attempt %d: %d told, want %d, %v", again, n, want, err)
		}
	}
	if told := w.told(); told != "anna@example.org anna@example.org anna@example.org" {
		t.Errorf("told: %s", told)
	}
	k := handIn(w.ca.Issue(board, smimetest.FreshKey))
	k.Staged, k.Until = true, time.Now().Add(time.Hour)
	_, _, err := w.ImportKey(ctx, board, k)
	wantError(t, err, admin.Usage, "no end to name")
}

// Where the site names trust anchors, a certificate that leads to none is
// refused with the word and the remedy.
func TestImportWantsTrust(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.Anchored = true
	w.list(board)
	foreign := handIn(smimetest.NewCA("Foreign").Issue(board))
	_, _, err := w.ImportKey(ctx, board, foreign)
	wantError(t, err, admin.Refused, "unknown_ca")
	foreign.Untrusted = true
	if _, warnings, err := w.ImportKey(ctx, board, foreign); err != nil || !strings.Contains(strings.Join(warnings, ""), "unknown_ca") {
		t.Errorf("%v, %v", warnings, err)
	}
	if _, warnings, err := w.ImportKey(ctx, board, handIn(w.ca.Issue(board, smimetest.FreshKey))); err != nil || len(warnings) > 0 {
		t.Errorf("one of the site's: %v, %v", warnings, err)
	}
	// Every refusal begins with its word.
	_, _, err = w.ImportKey(ctx, board, handIn(w.ca.Issue("other@lists.example.org")))
	wantError(t, err, admin.Refused, "x.p12: address_mismatch: ")
	p := handIn(w.ca.Issue(board))
	p.Password = []byte("PW")
	_, _, err = w.ImportKey(ctx, board, p)
	wantError(t, err, admin.Refused, "x.p12: wrong_password: ")
}

// A strength that the site demands beyond the usual is kept to.
func TestImportWantsStrength(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.RSAMinBits = 3072
	w.list(board)
	_, _, err := w.ImportKey(ctx, board, handIn(w.ca.Issue(board)))
	wantError(t, err, admin.Refused, "weak_algorithm")
}

// Sympa's files, and a certificate for a key that was requested here.
func TestImportFiles(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	id := w.ca.Issue(board)
	files := admin.KeyImport{P12: admin.P12{Name: "cert.pem", Octets: id.CertificatePEM()}}
	_, _, err := w.ImportKey(ctx, board, files)
	wantError(t, err, admin.Refused, "no_key")
	files.More = [][]byte{id.KeyPEM()}
	if k, _, err := w.ImportKey(ctx, board, files); err != nil || k.Fingerprint != trust.Fingerprint(id.Certificate) {
		t.Error(k, err)
	}
	details, csr, err := w.RequestKey(ctx, board, "", "p256", "sign")
	if err != nil || details.State != store.KeyRequested || !bytes.Contains(csr, []byte("BEGIN CERTIFICATE REQUEST")) {
		t.Error(details, err)
	}
	_, _, err = w.ImportKey(ctx, board, admin.KeyImport{P12: admin.P12{Name: "cert.pem", Octets: w.ca.Issue(board).CertificatePEM()}})
	wantError(t, err, admin.Refused, "no_request")
	for _, c := range [][2]string{{"dsa", "both"}, {"p256", "neither"}} {
		_, _, err := w.RequestKey(ctx, board, "", c[0], c[1])
		wantError(t, err, admin.Usage, "is no")
	}
	keys, err := w.Keys(ctx, board)
	if err != nil || len(keys) != 2 {
		t.Errorf("%+v, %v", keys, err)
	}
	if k, err := w.RetireKey(ctx, board, details.Fingerprint, false); err != nil || k.Subject != "" { // it is given up
		t.Error(k, err)
	}
}

func TestRekeyRefusesWeakPasswords(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.list(board)
	if _, _, err := w.ImportKey(ctx, board, handIn(w.ca.Issue(board))); err != nil {
		t.Fatal(err)
	}
	_, err := w.Rekey(ctx, []byte("aaaaaaaaaaaaaaaa"), false)
	wantError(t, err, admin.Refused, "weak")
	_, err = w.Rekey(ctx, []byte("key password"), true)
	wantError(t, err, admin.Refused, "the old one")
	if done, err := w.Rekey(ctx, []byte("weak"), true); err != nil || done.Keys != 1 {
		t.Error(done, err)
	}
	locked := newWorldWith(t, nil)
	_, err = locked.Rekey(ctx, []byte("correct horse battery"), false)
	wantError(t, err, admin.Environment, "no key password")
}

// What is published is the active certificate for encryption, in every form, and
// a real directory takes the LDIF.
func TestExportKey(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.ca = w.ca.Sub("Issuing")
	w.list(board)
	_, err := w.ExportKey(ctx, board, admin.KeyExport{Form: admin.FormPEM})
	wantError(t, err, admin.Refused, "no certificate to encrypt to")
	id := w.ca.Issue(board, smimetest.EncryptOnly)
	for _, one := range []*smimetest.Identity{id, w.ca.Issue(board, smimetest.SignOnly, smimetest.FreshKey)} {
		if _, _, err := w.ImportKey(ctx, board, handIn(one)); err != nil {
			t.Fatal(err)
		}
	}
	export := func(e admin.KeyExport) []byte {
		t.Helper()
		octets, err := w.ExportKey(ctx, board, e)
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	if der := export(admin.KeyExport{Form: admin.FormDER}); !bytes.Equal(der, id.Certificate.Raw) {
		t.Error("DER: another certificate")
	}
	certs, err := trust.ParseCertificates(export(admin.KeyExport{Form: admin.FormPEM}))
	if err != nil || len(certs) != 3 || !certs[0].Equal(id.Certificate) || !certs[1].Equal(w.ca.Certificate) {
		t.Errorf("PEM: %d certificates, %v", len(certs), err)
	}
	p7c := export(admin.KeyExport{Form: admin.FormP7C})
	bundle, err := pkcs7.Parse(p7c)
	if err != nil || len(bundle.Certificates) != 3 || !hasCertificate(bundle.Certificates, id.Certificate) {
		t.Errorf("p7c: %v", err)
	}
	_, err = w.ExportKey(ctx, board, admin.KeyExport{Form: admin.FormLDIF})
	wantError(t, err, admin.Usage, "the LDIF needs")
	_, err = w.ExportKey(ctx, board, admin.KeyExport{Form: "jks"})
	wantError(t, err, admin.Usage, "no form")

	const dn = "cn=Vörstand," + peer.SlapdPeopleDN
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{{DN: dn, Attributes: map[string][]string{
		"objectClass": {"inetOrgPerson"}, "cn": {"Vörstand"}, "sn": {"board"}, "mail": {board}, "userCertificate;binary": {string(w.ca.Issue(board).Certificate.Raw)},
	}}}})
	change := filepath.Join(t.TempDir(), "change.ldif")
	ldif := export(admin.KeyExport{Form: admin.FormLDIF, DN: dn})
	for line := range bytes.Lines(ldif) {
		if len(line) > 77 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	if err := os.WriteFile(change, ldif, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it replaces: again is no mistake
		out, err := exec.Command(peer.Program(t, "ldapmodify"), "-x", "-H", slapd.Socket, "-D", peer.SlapdAdminDN, "-w", peer.SlapdAdminSecret, "-f", change).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	dir := t.TempDir()
	out, err := exec.Command(peer.Program(t, "ldapsearch"), "-x", "-LLL", "-tt", "-T", dir, "-H", slapd.Socket, "-D", peer.SlapdAdminDN, "-w", peer.SlapdAdminSecret,
		"-b", peer.SlapdPeopleDN, "(mail="+board+")", "userCertificate", "userSMIMECertificate").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d values: %s", len(files), out)
	}
	for _, f := range files {
		octets, err := os.ReadFile(f)
		if err != nil || !bytes.Equal(octets, id.Certificate.Raw) && !bytes.Equal(octets, p7c) {
			t.Errorf("%s: %d octets that are neither the certificate nor the p7c, %v", f, len(octets), err)
		}
	}
}

func hasCertificate(certs []*x509.Certificate, cert *x509.Certificate) bool {
	for _, c := range certs {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}

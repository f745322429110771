package revocation_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/revocation"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// responder answers with what answer makes of a request.
func (w *world) responder(path string, answer func(*ocsp.Request) []byte) {
	w.serve(path, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/ocsp-request" {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			rw.Write(ocsp.MalformedRequestErrorResponse)
			return
		}
		rw.Write(answer(request))
	})
}

// says makes the CA's own answer.
func (w *world) says(status int, age, life time.Duration) func(*ocsp.Request) []byte {
	return func(r *ocsp.Request) []byte {
		at := w.clock.now().Add(-age).Truncate(time.Second)
		der, err := ocsp.CreateResponse(w.ca.Certificate, w.ca.Certificate, ocsp.Response{
			Status: status, SerialNumber: r.SerialNumber, ThisUpdate: at, NextUpdate: at.Add(life), RevokedAt: at}, w.ca.Key)
		if err != nil {
			w.t.Error(err)
		}
		return der
	}
}

func TestOCSP(t *testing.T) {
	w := newWorld(t, strict, nil)
	cert := w.ca.Issue("bob@corp.example", smimetest.OCSPURL(site+"/ocsp")).Certificate
	w.responder("/ocsp", func(*ocsp.Request) []byte { return ocsp.TryLaterErrorResponse })
	w.ask("tryLater", cert, trust.RevocationUnknown, trust.RevocationNoAnswer)
	w.clock.advance(hour)
	w.responder("/ocsp", w.says(ocsp.Unknown, 0, hour))
	w.ask("unknown", cert, trust.RevocationUnknown, trust.RevocationNoAnswer)
	w.clock.advance(hour)
	w.responder("/ocsp", w.says(ocsp.Good, 0, 3*hour))
	w.ask("good", cert, "", trust.RevocationGood)
	n := w.count("/ocsp")
	w.ask("good, remembered", cert, "", trust.RevocationGood)
	if w.count("/ocsp") != n {
		t.Error("asked again")
	}
	for i, bad := range []func(*ocsp.Request) []byte{
		func(*ocsp.Request) []byte { return []byte("<html>") }, w.says(ocsp.Good, 10*hour, 24*hour),
		func(*ocsp.Request) []byte { return ocsp.UnauthorizedErrorResponse },
	} {
		w.responder("/ocsp", bad)
		w.clock.advance(30*time.Minute + time.Duration(i)*15*time.Minute)
		w.ask("a bad answer displaces no good one", cert, "", trust.RevocationGood)
	}
	w.clock.advance(3 * hour)
	w.ask("out of date", cert, trust.RevocationUnknown, trust.RevocationStale)
	w.clock.advance(hour)
	w.responder("/ocsp", w.says(ocsp.Revoked, 0, hour))
	w.ask("revoked", cert, trust.Revoked, trust.RevocationRevoked)
	w.responder("/ocsp", w.says(ocsp.Good, hour, 48*hour))
	w.clock.advance(30 * time.Minute)
	for range 3 {
		w.clock.advance(10 * time.Minute)
		w.ask("an older answer brings nothing back", cert, trust.Revoked, trust.RevocationRevoked)
	}
}

// TestMechanisms: the first that answers decides, and only those that are configured are asked.
func TestMechanisms(t *testing.T) {
	for _, test := range []struct {
		check     []revocation.Mechanism
		crl, ocsp string // what each says
		want      trust.RevocationState
		asked     [2]int
	}{
		{nil, "good", "revoked", trust.RevocationGood, [2]int{1, 0}},
		{nil, "", "revoked", trust.RevocationRevoked, [2]int{1, 1}},
		{nil, "stale", "good", trust.RevocationGood, [2]int{1, 1}},
		{nil, "stale", "", trust.RevocationStale, [2]int{1, 1}},
		{nil, "", "", trust.RevocationNoAnswer, [2]int{1, 1}},
		{[]revocation.Mechanism{revocation.OCSP, revocation.CRL}, "revoked", "good", trust.RevocationGood, [2]int{0, 1}},
		{[]revocation.Mechanism{revocation.OCSP, revocation.CRL}, "revoked", "", trust.RevocationRevoked, [2]int{1, 1}},
		{[]revocation.Mechanism{revocation.CRL}, "", "good", trust.RevocationNoAnswer, [2]int{1, 0}},
		{[]revocation.Mechanism{revocation.OCSP}, "good", "", trust.RevocationNoAnswer, [2]int{0, 1}},
		{[]revocation.Mechanism{}, "revoked", "revoked", trust.RevocationNoMechanism, [2]int{0, 0}},
	} {
		w := newWorld(t, strict, func(o *revocation.Options) { o.Check = test.check })
		cert := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl"), smimetest.OCSPURL(site+"/ocsp")).Certificate
		switch test.crl {
		case "good":
			w.publish(0, hour)
		case "revoked":
			w.publish(0, hour, cert)
		case "stale":
			w.publish(2*hour, hour)
		}
		switch test.ocsp {
		case "good":
			w.responder("/ocsp", w.says(ocsp.Good, 0, hour))
		case "revoked":
			w.responder("/ocsp", w.says(ocsp.Revoked, 0, hour))
		}
		v := w.judge.Judge(cert, trust.Encryption, w.clock.now(), nil)
		if v.Revocation != test.want || w.count("/ca.crl") != test.asked[0] || w.count("/ocsp") != test.asked[1] {
			t.Errorf("%+v: %s (%s), CRL asked %d times, OCSP %d", test, v.Revocation, v.Detail, w.count("/ca.crl"), w.count("/ocsp"))
		}
	}
}

// TestDelegate: a responder without id-pkix-ocsp-nocheck is asked about by CRL. While nobody knows whether it is revoked
// it cannot say good, and can say revoked.
func TestDelegate(t *testing.T) {
	w := newWorld(t, strict, nil)
	delegate := w.ca.Issue("ocsp@corp.example", smimetest.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), smimetest.CRLURL(site+"/ca.crl"))
	says := func(status int) func(r *ocsp.Request) []byte {
		return func(r *ocsp.Request) []byte {
			at := w.clock.now()
			der, err := ocsp.CreateResponse(w.ca.Certificate, delegate.Certificate, ocsp.Response{Status: status, SerialNumber: r.SerialNumber,
				ThisUpdate: at, NextUpdate: at.Add(100 * hour), RevokedAt: at, Certificate: delegate.Certificate}, delegate.Key)
			if err != nil {
				t.Error(err)
			}
			return der
		}
	}
	cert := func(name, path string) *x509.Certificate {
		return w.ca.Issue(name+"@corp.example", smimetest.OCSPURL(site+path)).Certificate
	}
	bob, carol := cert("bob", "/good"), cert("carol", "/revoked")
	w.responder("/good", says(ocsp.Good))
	w.responder("/revoked", says(ocsp.Revoked))
	w.ask("nobody knows of the delegate, which says good", bob, trust.RevocationUnknown, trust.RevocationNoAnswer)
	w.ask("nobody knows of the delegate, which says revoked", carol, trust.Revoked, trust.RevocationRevoked)
	w.clock.advance(hour)
	w.publish(0, hour)
	w.ask("the delegate is good", bob, "", trust.RevocationGood)
	w.ask("the delegate is good, and says revoked", carol, trust.Revoked, trust.RevocationRevoked)
	w.clock.advance(2 * hour)
	w.publish(0, hour, delegate.Certificate)
	w.ask("the delegate is revoked", bob, trust.RevocationUnknown, trust.RevocationNoAnswer)
	w.ask("the delegate is revoked, and says revoked", carol, trust.RevocationUnknown, trust.RevocationNoAnswer)
}

// TestOpenSSLResponder asks OpenSSL's responder, behind a web server on loopback because its own would listen
// everywhere, with a delegated certificate.
func TestOpenSSLResponder(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	w := newWorld(t, strict, nil)
	dir := t.TempDir()
	file := func(name string, octets []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signer := w.ca.Issue("ocsp@corp.example", smimetest.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning),
		smimetest.Extension([]int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, false, []byte{5, 0}))
	issue := func(name string) *x509.Certificate {
		return w.ca.Issue(name+"@corp.example", smimetest.OCSPURL(site+"/ocsp")).Certificate
	}
	good, gone, unheard := issue("good"), issue("gone"), issue("unheard")
	row := func(state string, cert *x509.Certificate, revoked string) string {
		return fmt.Sprintf("%s\t%s\t%s\t%X\tunknown\t/CN=x\n", state, cert.NotAfter.UTC().Format("060102150405Z"), revoked, cert.SerialNumber.Bytes())
	}
	index := file("index.txt", []byte(row("V", good, "")+row("R", gone, time.Now().UTC().Format("060102150405Z")+",keyCompromise")))
	ca, cert, key := file("ca.pem", w.ca.PEM()), file("signer.pem", signer.CertificatePEM()), file("signer.key", signer.KeyPEM())
	n := 0
	w.serve("/ocsp", func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n++
		response := filepath.Join(dir, fmt.Sprint("response", n))
		_, err := openssl.Run("ocsp", "-index", index, "-CA", ca, "-rsigner", cert, "-rkey", key, "-ndays", "1",
			"-reqin", file(fmt.Sprint("request", n), body), "-respout", response)
		octets, failed := os.ReadFile(response)
		if err != nil || failed != nil {
			t.Errorf("openssl ocsp: %v, %v", err, failed)
		}
		io.Copy(rw, bytes.NewReader(octets))
	})
	w.clock.advance(time.Second) // OpenSSL's thisUpdate is now
	w.ask("good", good, "", trust.RevocationGood)
	w.ask("revoked", gone, trust.Revoked, trust.RevocationRevoked)
	w.ask("unknown to it", unheard, trust.RevocationUnknown, trust.RevocationNoAnswer)
}

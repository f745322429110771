package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// Invariant 1: nothing of what arrived encrypted reaches the database and its log, the folders, a line of the log, a
// note or a copy in clear. Every post carries the marker, and each is broken, or refused, in another place, so that
// error texts which quote content would show. The search runs while a copy is on its way, after a kill in that state,
// with SQLite's write-ahead log as the kill left it, and at the end.
func TestNothingThatArrivedEncryptedIsFoundInClear(t *testing.T) {
	ca := smimetest.NewCA("Corp")
	openssl := peer.NewOpenSSL(t)
	anna, stranger := person(ca, "anna@corp.example"), person(ca, "stranger@corp.example")
	board := person(ca, boardList)

	reached, release := make(chan struct{}), make(chan struct{})
	once := make(chan struct{}, 1)
	once <- struct{}{}
	sink := peer.StartSink(t, peer.SinkOptions{Behave: func(s peer.Step) peer.Act {
		select {
		case <-once:
		default:
			return peer.Act{}
		}
		if s.Verb != "BODY" {
			once <- struct{}{}
			return peer.Act{}
		}
		close(reached)
		<-release
		return peer.Act{Close: true}
	}})
	in := peer.Loopback(peer.Port(t))
	site := install(t, settings{listen: "smtp://" + in, relay: "smtp://" + sink.Addr, anchor: ca.PEM(), more: withoutDirectory()}, buildPlain)
	site.writeCertificate(anna)
	site.createBoard(board, "anna@corp.example", "zoe@corp.example")
	site.start()

	marker := "Marker" + rand.Text()
	sealed := func(entity []byte) []byte { return openssl.Encrypt(entity, [][]byte{board.Certificate.Raw}) }
	good := openssl.Sign([]byte("Content-Type: text/plain; protected-headers=v1\r\nSubject: "+marker+"\r\n\r\n"+marker+"\r\n"), credential(anna))
	seal := sealed(good)
	posts := [][]byte{
		seal,                                     // distributed
		sealed([]byte("\r\n" + marker + "\r\n")), // unsigned
		sealed(bytes.Replace(good, []byte("\r\n\r\nMarker"), []byte("\r\n\r\n-Marker"), 1)), // altered
		sealed(openssl.Sign([]byte("\r\n"+marker+"\r\n"), credential(stranger))),            // another's signature
		openssl.Encrypt(good, [][]byte{stranger.Certificate.Raw}),                           // not for the list
		sealed([]byte(marker)), // no MIME
		sealed([]byte(marker + ": " + marker + "\x00\r\n\r\n" + marker)),
		sealed([]byte("Content-Type: " + marker + "/" + marker + "; boundary=\"" + marker + "\r\n\r\n" + marker)),
		sealed([]byte("Content-Type: multipart/signed; boundary=" + marker + "; micalg=" + marker + "\r\n\r\n" + marker)),
		sealed([]byte("Content-Type: application/pkcs7-mime; smime-type=" + marker + "\r\nContent-Transfer-Encoding: " + marker + "\r\n\r\n" + marker)),
		sealed([]byte("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte("\x30\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02"+marker)))),
		seal[:len(seal)-200], // cut off
	}
	for n, entity := range posts {
		l := letter{"anna@corp.example", boardList, "The plan", fmt.Sprintf("<%d@corp.example>", n), entity}
		if err := submit(in, "anna@corp.example", []string{boardList}, l.octets()); err != nil {
			t.Fatalf("post %d: %v", n, err)
		}
		if n == 0 {
			<-reached
			searchAll(t, site, sink, marker, good)
			site.Kill()
			close(release)
			searchAll(t, site, sink, marker, good)
			site.start()
		}
	}
	for _, p := range site.waitState(len(posts), "done", "rejected", "quarantined") {
		t.Logf("%s: %s %s %v", p.MessageID, p.State, p.Reason, p.States)
		if p.MessageID == "<0@corp.example>" && (p.State != "done" || p.States["relayed"] == 0) {
			t.Errorf("the good post is %s, its copies %v", p.State, p.States)
		}
	}
	site.Stop()
	searchAll(t, site, sink, marker, good)
	if len(sink.To("anna@corp.example")) == 0 || len(sink.To("zoe@corp.example")) == 0 {
		t.Errorf("the sink has %d mails: no copy, or no note, was there to be searched", len(sink.Mails()))
	}
	// The search can find: what came in clear is there.
	if hits := search(t, site.dir, map[string][]byte{"Message-ID": []byte("<0@corp.example>")}); len(hits) == 0 {
		t.Error("the search does not find the Message-ID in the spool: it cannot find anything")
	}
}

// searchAll looks for the marker, and for plain hashes of what was signed, in everything that Sealist has written or
// sent.
func searchAll(t *testing.T, site *installation, sink *peer.Sink, marker string, signed []byte) {
	t.Helper()
	wanted := forms(marker)
	content, _, err := peer.Signed(signed)
	if err != nil {
		t.Fatal(err)
	}
	for name, octets := range map[string][]byte{"the post": signed, "the content": content} {
		sum256, sum1 := sha256.Sum256(octets), sha1.Sum(octets)
		for hash, sum := range map[string][]byte{"SHA-256": sum256[:], "SHA-1": sum1[:]} {
			wanted[hash+" of "+name] = sum
			wanted[hash+" of "+name+" in hex"] = []byte(hex.EncodeToString(sum))
		}
	}
	for _, hit := range search(t, site.dir, wanted) {
		t.Errorf("found %s", hit)
	}
	for _, m := range sink.Mails() {
		for form, octets := range wanted {
			if bytes.Contains(m.Octets, octets) {
				t.Errorf("found the marker (%s) in a mail to %v", form, m.ForwardPaths)
			}
		}
	}
}

// search returns which of the octets stand in which file below a folder.
func search(t *testing.T, dir string, wanted map[string][]byte) []string {
	t.Helper()
	var hits []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		octets, err := os.ReadFile(path)
		joined := bytes.ReplaceAll(bytes.ReplaceAll(octets, []byte("\r"), nil), []byte("\n"), nil) // lines of base64
		for form, w := range wanted {
			if bytes.Contains(octets, w) || bytes.Contains(joined, w) {
				hits = append(hits, fmt.Sprintf("%s in %s", form, path))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// forms are the ways in which a text may be written down.
func forms(text string) map[string][]byte {
	all := map[string][]byte{
		"as it is": []byte(text), "in lower case": []byte(strings.ToLower(text)), "in upper case": []byte(strings.ToUpper(text)),
		"in hex": []byte(hex.EncodeToString([]byte(text))), "in HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
	}
	var little, big []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		little, big = append(little, byte(unit), byte(unit>>8)), append(big, byte(unit>>8), byte(unit))
	}
	maps.Copy(all, map[string][]byte{"in UTF-16LE": little, "in UTF-16BE": big})
	for shift := range 3 {
		// The characters that hold octets of the text alone, whatever stands before and behind it.
		whole := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
		first, last := (shift*8+5)/6, (shift+len(text))*8/6
		all[fmt.Sprintf("in base64, shifted by %d", shift)] = []byte(whole[first:last])
	}
	return all
}

// A search for base64 that cannot find anything would find nothing.
func TestFormsAreFoundWhereverTheyStand(t *testing.T) {
	for before := range 3 {
		for after := range 3 {
			hidden := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("<", before+3) + "Marker1" + strings.Repeat(">", after)))
			found := false
			for _, form := range forms("Marker1") {
				found = found || strings.Contains(hidden, string(form))
			}
			if !found {
				t.Errorf("%d octets before, %d behind: not found in %s", before, after, hidden)
			}
		}
	}
}

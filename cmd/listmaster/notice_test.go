package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
)

func TestNoticePreview(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"))
	w.try("list", "set", board, "lang=de", "description=Vorstand & Beirat")
	status, out, errOut := w.try("notice", "preview", board, "welcome", "--to", "jürgen@example.org")
	want(t, out, `
From: <board@lists.example.org>
Reply-To: <board-owner@lists.example.org>
To: <jürgen@example.org>
Subject: Willkommen auf board@lists.example.org
`+strings.Join(strings.Split(out, "\n")[4:6], "\n")+`
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: All
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sie sind jetzt auf der Liste board@lists.example.org.
Darum geht es: Vorstand & Beirat

Um sie zu verlassen, schreiben Sie an board-request@lists.example.org nur diese Zeile:

  SIGNOFF board@lists.example.org

Die Liste verschlüsselt Nachrichten mit Ihrem eigenen Zertifikat. Wenn sie noch
keines von Ihnen hat, schicken Sie ihr eine signierte Nachricht, oder bitten Sie
diejenigen, die Ihr Verzeichnis betreiben, Ihr Zertifikat für verschlüsselte
E-Mail zu veröffentlichen.

Für die Liste ist board-owner@lists.example.org zuständig.
`)
	if status != 0 || errOut != "template: built in\nthe list signs it\n" {
		t.Errorf("status %d, %s", status, errOut)
	}

	// The site's own, good and broken.
	file := w.put("data/templates/lists.example.org/fr/welcome.txt", "Subject: Salut, {{.list}}\n\nBienvenue !\n")
	status, out, errOut = w.try("notice", "preview", board, "welcome", "--lang", "fr")
	if status != 0 || !strings.Contains(out, "Subject: Salut, "+board) || !strings.Contains(out, "\nBienvenue !\n") || !strings.Contains(errOut, file) {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}
	w.put("data/templates/lists.example.org/fr/welcome.txt", "Subject: Salut, {{.liste}}\n\nBienvenue !\n")
	status, out, errOut = w.try("notice", "preview", board, "welcome", "--lang", "fr", "--json")
	var p admin.PreviewedNotice
	if err := json.Unmarshal([]byte(out), &p); err != nil || status != 1 || errOut != "" || !strings.Contains(p.Fault, "there is no variable liste here, but description, list, owner, robot, to") || !p.Signed {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}
	// What is of no list is in the language that is asked for, else in the site's.
	for lang, want := range map[string]string{"fr": "expire dans", "de": "Ihr E-Mail-Zertifikat", "en": "Your e-mail certificate ends", "": "Your e-mail certificate ends"} {
		status, out, _ := w.try("notice", "preview", board, "cert_expiration", "--lang", lang)
		if subject := strings.Split(out, "\n")[2]; status != 0 || !strings.Contains(subject, want) {
			t.Errorf("%q: status %d, %s", lang, status, subject)
		}
	}
	if ls := w.good("notice", "ls", "--list", board, "--lang", "fr"); !strings.Contains(ls, "broken: template of service mail") || strings.Count(ls, "\n") < 29 {
		t.Errorf("%s", ls)
	}

	// A list without a key, and one whose key cannot be used.
	w.good("list", "create", "team@lists.example.org")
	if _, out, errOut := w.try("notice", "preview", "team@lists.example.org", "no_certificate"); !strings.Contains(out, "From: <team-owner@lists.example.org>") || strings.Contains(errOut, "sign") {
		t.Errorf("%s%s", out, errOut)
	}
	w.put("key_password", "hunter3\n")
	if _, _, errOut := w.try("notice", "preview", board, "farewell"); !strings.Contains(errOut, "it would wait, for it cannot be signed: locked") {
		t.Errorf("%s", errOut)
	}
	for _, args := range [][]string{{board, "wellcome"}, {board, "welcome", "--lang", "es"}, {board, "welcome", "--to", "x"}, {"nobody@lists.example.org", "welcome"}, {board, "../../etc/passwd"}} {
		if status, out, errOut := w.try(append([]string{"notice", "preview"}, args...)...); status == 0 || out != "" || errOut == "" {
			t.Errorf("%v: status %d, %s", args, status, out)
		}
	}
}

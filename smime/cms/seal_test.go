package cms

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	allCiphers    = []Cipher{AES256CBC, AES128CBC, AES256GCM, AES128GCM}
	allRecipients = []struct {
		who string
		o   RecipientOptions
	}{
		{"rsa2048", RecipientOptions{}},
		{"rsa2048", RecipientOptions{OAEP: true}},
		{"rsa2048", RecipientOptions{SubjectKeyID: true}},
		{"rsa3072", RecipientOptions{}},
		{"p256", RecipientOptions{}},
		{"p256", RecipientOptions{SubjectKeyID: true}},
		{"p384", RecipientOptions{}},
		{"p521", RecipientOptions{}},
		{"x25519", RecipientOptions{}},
		{"x25519", RecipientOptions{SubjectKeyID: true}},
	}
)

// opened decrypts what must decrypt.
func opened(tb testing.TB, ber []byte, keys ...Key) []byte {
	tb.Helper()
	c, err := Read(ber, nil)
	if err != nil {
		tb.Fatalf("Read: %v", err)
	}
	got, err := c.(interface {
		Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
	}).Decrypt(keys, nil, DecryptPolicy{})
	if err != nil {
		tb.Fatalf("Decrypt: %v", err)
	}
	return got
}

// unarmoured joins head and tail and decodes them, checking their lines.
func unarmoured(tb testing.TB, head, tail []byte) []byte {
	tb.Helper()
	whole := string(head) + string(tail)
	if !strings.HasSuffix(whole, "\r\n") {
		tb.Fatal("no CRLF at the end")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(whole, "\r\n"), "\r\n") {
		if len(line) == 0 || len(line) > 76 || strings.ContainsAny(line, "\r\n") {
			tb.Fatalf("line of %d characters: %q", len(line), line)
		}
	}
	der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(whole, "\r\n", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// TestSealRoundTrip is the property that what is sealed is what is opened, for every cipher, every
// kind of recipient and contents around the sizes at which something changes.
func TestSealRoundTrip(t *testing.T) {
	sizes := []int{0, 1, 15, 16, 17, 31, 126, 127, 128, 129, 255, 256, 257, 1000, 1001, 1002, 65535, 65536, 100_000}
	if testing.Short() {
		sizes = []int{0, 16, 127, 1000}
	}
	for _, c := range allCiphers {
		for _, r := range allRecipients {
			t.Run(fmt.Sprintf("%s/%s/%+v", c, r.who, r.o), func(t *testing.T) {
				id := who(t, r.who)
				rcpt := id.recipient(t, r.o)
				for _, size := range sizes {
					content := bytes.Repeat([]byte("Attack at dawn.\r\n"), size/17+1)[:size]
					s, err := NewSealer(content, c)
					if err != nil {
						t.Fatal(err)
					}
					head, tail, err := s.Seal([]byte("Header: x\r\n\r\n"), []*Recipient{rcpt})
					if err != nil {
						t.Fatal(err)
					}
					head, ok := bytes.CutPrefix(head, []byte("Header: x\r\n\r\n"))
					if !ok {
						t.Fatal("Seal lost what dst held")
					}
					der := unarmoured(t, head, tail)
					if got := opened(t, der, id.recipientKey()); !bytes.Equal(got, content) {
						t.Fatalf("%d octets: got %d others", size, len(got))
					}
					checkDER(t, der)
				}
			})
		}
	}
}

// checkDER walks all definite constructed elements: lengths are minimal, nothing is left over.
func checkDER(tb testing.TB, der []byte) {
	tb.Helper()
	d := newDocument(der, NewBudget(Limits{}))
	e := d.root().next()
	if d.err != nil || !e.isDER() || e.end != len(der) {
		tb.Fatalf("not DER: %v", d.err)
	}
}

func TestSealSeveralRecipients(t *testing.T) {
	names := []string{"rsa2048", "rsa2048/b", "rsa3072", "p256", "x25519"}
	for _, c := range allCiphers {
		s, err := NewSealer([]byte("for all of you"), c)
		if err != nil {
			t.Fatal(err)
		}
		var rcpts []*Recipient
		for _, name := range names {
			rcpts = append(rcpts, who(t, name).recipient(t, RecipientOptions{}))
		}
		der, err := s.DER(rcpts)
		if err != nil {
			t.Fatal(err)
		}
		checkDER(t, der)
		infos := first(der).children().child(1).children().next().children().child(1)
		var parts [][]byte
		for r := infos.children(); !r.empty(); {
			parts = append(parts, r.next().raw())
		}
		if len(parts) != len(names) || !slices.IsSortedFunc(parts, bytes.Compare) {
			t.Errorf("%s: the set of %d RecipientInfos is not in order", c, len(parts))
		}
		for _, name := range names {
			if got := opened(t, der, who(t, name).recipientKey()); string(got) != "for all of you" {
				t.Errorf("%s, %s: %q", c, name, got)
			}
		}
	}
}

// TestVersions: RFC 5652 section 6.1 and 6.2, RFC 5083 section 2.1.
func TestVersions(t *testing.T) {
	tests := []struct {
		cipher         Cipher
		who            []string
		ski            bool
		content, rinfo int
	}{
		{AES256CBC, []string{"rsa2048"}, false, 0, 0},
		{AES256CBC, []string{"rsa2048"}, true, 2, 2},
		{AES256CBC, []string{"p256"}, false, 2, 3},
		{AES256CBC, []string{"x25519"}, true, 2, 3},
		{AES256GCM, []string{"rsa2048"}, false, 0, 0},
		{AES256GCM, []string{"rsa2048"}, true, 0, 2},
		{AES256GCM, []string{"p256"}, false, 0, 3},
	}
	for _, test := range tests {
		s, _ := NewSealer([]byte("x"), test.cipher)
		der, err := s.DER([]*Recipient{who(t, test.who[0]).recipient(t, RecipientOptions{SubjectKeyID: test.ski})})
		if err != nil {
			t.Fatal(err)
		}
		d := newDocument(der, NewBudget(Limits{}))
		info := d.root().next().children()
		info.next()
		body := info.next().children().next().children()
		if v := body.next().small(); v != test.content {
			t.Errorf("%+v: content version %d", test, v)
		}
		if v := body.next().children().next().children().next().small(); v != test.rinfo {
			t.Errorf("%+v: RecipientInfo version %d", test, v)
		}
	}
}

// TestSealShares: one ciphertext, one key, at most three encodings; two sealers share nothing.
func TestSealShares(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 1000)
	s, _ := NewSealer(content, AES256CBC)
	tails := make(map[*byte]bool)
	for _, name := range []string{"rsa2048", "rsa3072", "p256", "p384", "p521", "x25519", "rsa2048/a much longer name"} {
		rcpt := who(t, name).recipient(t, RecipientOptions{})
		for range 2 {
			_, tail, err := s.Seal(nil, []*Recipient{rcpt})
			if err != nil {
				t.Fatal(err)
			}
			tails[&tail[0]] = true
		}
	}
	if len(tails) > 3 {
		t.Errorf("%d tails", len(tails))
	}
	other, _ := NewSealer(content, AES256CBC)
	if bytes.Equal(s.key.octets, other.key.octets) || bytes.Equal(s.suffix, other.suffix) {
		t.Error("two sealers with one key or one IV")
	}
}

func TestSealConcurrently(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 1000)
	s, _ := NewSealer(content, AES256GCM)
	names := []string{"rsa2048", "p256", "x25519"}
	for _, name := range names {
		who(t, name)
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			id := who(t, names[i%len(names)])
			head, tail, err := s.Seal(nil, []*Recipient{id.recipient(t, RecipientOptions{})})
			if err != nil {
				t.Error(err)
				return
			}
			if got := opened(t, unarmoured(t, head, tail), id.recipientKey()); !bytes.Equal(got, content) {
				t.Error("other content")
			}
		})
	}
	wg.Wait()
}

func TestSealForNobody(t *testing.T) {
	s, _ := NewSealer([]byte("x"), AES256CBC)
	if _, _, err := s.Seal(nil, nil); err == nil {
		t.Error("sealed for nobody")
	}
	if _, err := s.DER(nil); err == nil {
		t.Error("DER for nobody")
	}
	if _, err := NewSealer(nil, Cipher(9)); err == nil {
		t.Error("unknown cipher")
	}
}

func TestSMIMEType(t *testing.T) {
	for c, want := range map[Cipher]string{
		AES256CBC: "enveloped-data", AES128CBC: "enveloped-data",
		AES256GCM: "authEnveloped-data", AES128GCM: "authEnveloped-data",
	} {
		s, _ := NewSealer(nil, c)
		if got := s.SMIMEType(); got != want {
			t.Errorf("%s: %s", c, got)
		}
		parsed, err := ParseCipher(c.String())
		if err != nil || parsed != c {
			t.Errorf("ParseCipher(%q) = %v, %v", c, parsed, err)
		}
	}
}

// TestRedaction: whatever is printed, neither key nor content shows.
func TestRedaction(t *testing.T) {
	s, _ := NewSealer([]byte("the secret content"), AES256CBC)
	var log bytes.Buffer
	id := who(t, "rsa2048")
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "sealer", s, "key", id.recipientKey())
	opened := Opened{Content: []byte("the secret content"), Key: s.key.octets}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "opened", opened, "key", opened.Key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "opened", opened, "key", opened.Key, "sealer", s, "keys", []Key{id.recipientKey()})
	if err := json.NewEncoder(&log).Encode([]any{s, id.recipientKey(), opened, opened.Key}); err != nil {
		t.Fatal(err)
	}
	out := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		out += fmt.Sprintf(verb+verb+verb+verb, s, id.recipientKey(), opened, opened.Key)
	}
	for _, secret := range []string{
		fmt.Sprintf("%x", s.key.octets), fmt.Sprintf("%X", s.key.octets), fmt.Sprint(s.key.octets[:4])[1:8],
		fmt.Sprintf("%x", s.suffix[40:60]), "D:", "Primes", "secret content", fmt.Sprintf("%x", "secret"),
		base64.StdEncoding.EncodeToString(s.key.octets)[:8],
	} {
		if strings.Contains(out, secret) {
			t.Errorf("%q shows in %q", secret, out)
		}
	}
}

func TestUnusableKeys(t *testing.T) {
	for _, name := range []string{"ed25519", "p224"} {
		if _, err := NewRecipient(who(t, name).cert, RecipientOptions{}); err == nil {
			t.Errorf("%s: encrypted to", name)
		}
	}
}

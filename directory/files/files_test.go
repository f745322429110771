package files_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/smime/smimetest"
)

func TestFileName(t *testing.T) {
	for address, want := range map[string]string{
		"alice@corp.example":              "alice@corp.example",
		"Alice.B+tag-1@Corp.Example":      "alice.b+tag-1@corp.example",
		"o'neil_x@corp.example":           "o_27neil_5fx@corp.example",
		"jörg@corp.example":               "j_c3_b6rg@corp.example",
		"../../etc/passwd@corp.example":   ".._2f.._2fetc_2fpasswd@corp.example",
		"alice@corp.example@enc":          "", // would be read as alice's
		"..":                              "",
		"":                                "",
		"alice":                           "",
		"a\x00b@corp.example":             "",
		strings.Repeat("ü", 60) + "@x.de": "", // longer than a file name may be
	} {
		got, ok := files.FileName(address)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v; want %q", address, got, ok, want)
		}
	}
}

type folder struct {
	t   *testing.T
	dir string
}

func (f folder) write(name string, octets ...[]byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), slices.Concat(octets...), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func lookup(t *testing.T, f *files.Files, address string) directory.Answer {
	t.Helper()
	answers := f.Lookup(t.Context(), []string{address})
	if len(answers) != 1 || answers[0].Address != address {
		t.Fatalf("%+v", answers)
	}
	return answers[0]
}

func TestLookup(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	alice := func() *smimetest.Identity { return ca.Issue("alice@corp.example", smimetest.ECP256) }
	both, enc, sign, der := alice(), alice(), alice(), alice()
	f := folder{t, t.TempDir()}
	source := files.New("files", f.dir)
	if source.Name() != "files" {
		t.Error(source.Name())
	}
	if a := lookup(t, source, "alice@corp.example"); !errors.Is(a.Err, directory.ErrNotFound) {
		t.Errorf("an empty folder: %+v", a)
	}
	f.write("alice@corp.example@enc", enc.CertificatePEM(), ca.PEM())
	if a := lookup(t, source, "Alice@Corp.example"); a.Err != nil || len(a.Candidates) != 1 || len(a.Helpers) != 1 ||
		a.Candidates[0].Origin != (directory.Origin{Source: "files", Entry: "alice@corp.example@enc"}) {
		t.Errorf("@enc: %+v", a)
	}
	f.write("alice@corp.example", both.CertificatePEM(), alice().CertificatePEM())
	f.write("alice@corp.example@sign", sign.CertificatePEM())
	a := lookup(t, source, "alice@corp.example")
	if a.Err != nil || len(a.Candidates) != 3 || len(a.Unreadable) != 1 || a.Unreadable[0].Reason != "wrong_usage" || !slices.Equal(a.Unreadable[0].Certificate, sign.Certificate.Raw) {
		t.Errorf("all three: %+v", a)
	}
	f.write("alice@corp.example", der.Certificate.Raw)
	if err := os.Remove(filepath.Join(f.dir, "alice@corp.example@enc")); err != nil {
		t.Fatal(err)
	}
	if a := lookup(t, source, "alice@corp.example"); len(a.Candidates) != 1 || !slices.Equal(a.Candidates[0].Certificate, der.Certificate.Raw) {
		t.Errorf("after a change, in DER: %+v", a)
	}
	if answers := source.Lookup(t.Context(), []string{"bob@corp.example", "alice@corp.example", "no address"}); !errors.Is(answers[0].Err, directory.ErrNotFound) ||
		answers[1].Err != nil || !errors.Is(answers[2].Err, directory.ErrNotFound) {
		t.Errorf("%+v", answers)
	}
}

func TestOutages(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	f := folder{t, t.TempDir()}
	missing := files.New("files", filepath.Join(f.dir, "not-mounted"))
	if a := lookup(t, missing, "alice@corp.example"); a.Outage() == nil {
		t.Errorf("a missing folder: %+v", a)
	}
	source := files.New("files", f.dir)
	f.write("bob@corp.example", ca.Issue("bob@corp.example", smimetest.ECP256).CertificatePEM())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := source.Lookup(ctx, []string{"bob@corp.example"})[0]; !errors.Is(a.Err, context.Canceled) {
		t.Errorf("cancelled: %+v", a)
	}

	// A file that cannot be read is an outage for its address alone.
	f.write("alice@corp.example", ca.PEM())
	if err := os.Chmod(filepath.Join(f.dir, "alice@corp.example"), 0); err != nil {
		t.Fatal(err)
	}
	var answers []directory.Answer
	asNobody(t, f.dir, func() { answers = source.Lookup(t.Context(), []string{"alice@corp.example", "bob@corp.example"}) })
	if answers[0].Outage() == nil || len(answers[0].Unreadable) != 1 || answers[1].Err != nil {
		t.Errorf("a file that cannot be read: %+v", answers)
	}
}

// asNobody lets do read files as an ordinary user: root may read everything.
func asNobody(t *testing.T, dir string, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "bob@corp.example"), 0o644); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the identity for files belongs to the thread
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0)
	do()
}

// TestContentThatIsNoCertificate is told, and is no outage: to ask again would not help.
func TestContentThatIsNoCertificate(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	f := folder{t, t.TempDir()}
	source := files.New("files", f.dir)
	good := ca.Issue("alice@corp.example", smimetest.ECP256).CertificatePEM()
	for name, octets := range map[string][]byte{
		"empty": nil, "text": []byte("ask Alice"), "a key": ca.Issue("x@corp.example").KeyPEM(), "too large": slices.Concat(good, make([]byte, 2<<20)),
	} {
		f.write("alice@corp.example", octets)
		a := lookup(t, source, "alice@corp.example")
		if a.Err != nil || len(a.Candidates) != 0 || len(a.Unreadable) != 1 || a.Unreadable[0].Reason == "" || a.Unreadable[0].Detail == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	f.write("alice@corp.example@enc", good) // what is readable beside it still counts
	if a := lookup(t, source, "alice@corp.example"); len(a.Candidates) != 1 || len(a.Unreadable) != 1 {
		t.Errorf("%+v", a)
	}
}

// TestNothingOutsideTheFolder: no address and no link leads out of it, and nothing in it blocks.
func TestNothingOutsideTheFolder(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	outside := folder{t, t.TempDir()}
	outside.write("secret@corp.example", ca.Issue("secret@corp.example", smimetest.ECP256).CertificatePEM())
	f := folder{t, t.TempDir()}
	if err := os.Mkdir(filepath.Join(f.dir, "dir@corp.example"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(f.dir, "pipe@corp.example"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(name, to string) {
		if err := os.Symlink(to, filepath.Join(f.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("link@corp.example", filepath.Join(outside.dir, "secret@corp.example"))
	link("up@corp.example", "../"+filepath.Base(outside.dir)+"/secret@corp.example")
	link("loop@corp.example", "loop@corp.example")
	link("dangling@corp.example", "nowhere")
	f.write("inside@corp.example", ca.Issue("inside@corp.example", smimetest.ECP256).CertificatePEM())
	link("alias@corp.example", "inside@corp.example")
	source := files.New("files", f.dir)
	for _, address := range []string{"link@corp.example", "up@corp.example", "loop@corp.example", "dangling@corp.example", "dir@corp.example", "pipe@corp.example"} {
		if a := lookup(t, source, address); len(a.Candidates) != 0 || len(a.Unreadable) == 0 {
			t.Errorf("%s: %+v", address, a)
		}
	}
	for _, address := range []string{"../" + filepath.Base(outside.dir) + "/secret@corp.example", outside.dir + "/secret@corp.example", "/etc/passwd", "..@..", "."} {
		if a := lookup(t, source, address); !errors.Is(a.Err, directory.ErrNotFound) {
			t.Errorf("%s: %+v", address, a)
		}
	}
	if a := lookup(t, source, "alias@corp.example"); len(a.Candidates) != 1 {
		t.Errorf("a link within the folder: %+v", a)
	}
}

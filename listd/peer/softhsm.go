package peer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Token is a token of SoftHSM2 with a folder of its own.
type Token struct {
	Module string // the PKCS#11 library
	Label  string
	PIN    string
	Dir    string // where its objects are; the token is away while it has another name
	tb     testing.TB
}

// softHSM is where distributions put the library.
var softHSM = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"}

// SoftHSM makes a token with no key. The library finds it by the environment variable SOFTHSM2_CONF of this process, so
// there is one at a time.
func SoftHSM(tb testing.TB) *Token {
	tb.Helper()
	Program(tb, "softhsm2-util")
	Program(tb, "pkcs11-tool")
	dir := tb.TempDir()
	t := &Token{PIN: "1234", Label: "lists " + strconv.Itoa(rand.IntN(1e9)), Dir: filepath.Join(dir, "tokens"), tb: tb}
	for _, path := range softHSM {
		if _, err := os.Stat(path); err == nil {
			t.Module = path
			break
		}
	}
	if t.Module == "" {
		Absent(tb, "libsofthsm2.so is not installed (Debian package softhsm2)")
	}
	config := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", t.Dir)
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.Mkdir(t.Dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	tb.Setenv("SOFTHSM2_CONF", conf)
	t.run("softhsm2-util", "--init-token", "--free", "--label", t.Label, "--pin", t.PIN, "--so-pin", "5678")
	return t
}

// Import puts a private key (PKCS#8 in PEM) on the token, for every use; id is hexadecimal.
func (t *Token) Import(label, id string, pkcs8 []byte) {
	t.tb.Helper()
	file := filepath.Join(t.tb.TempDir(), "key.pem")
	if err := os.WriteFile(file, pkcs8, 0o600); err != nil {
		t.tb.Fatal(err)
	}
	t.Tool("--write-object", file, "--type", "privkey", "--label", label, "--id", id, "--usage-sign", "--usage-decrypt", "--usage-derive")
}

// Tool runs pkcs11-tool on the token, as its user.
func (t *Token) Tool(args ...string) string {
	t.tb.Helper()
	return t.run("pkcs11-tool", append([]string{"--module", t.Module, "--token-label", t.Label, "--login", "--pin", t.PIN}, args...)...)
}

func (t *Token) run(name string, args ...string) string {
	t.tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.tb.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

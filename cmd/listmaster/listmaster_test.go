package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// What an administrator types in the first hour, and reads.
func TestFirstHour(t *testing.T) {
	w := newWorld(t)
	want(t, w.good("list", "ls"), `
LIST  MEMBERS  SEND  STATE  KEY  WAITING  DESCRIPTION
`)
	want(t, w.good("list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"), "--description", "The board"), `
list         board@lists.example.org
description  The board
send         private_smime
state        open
people       0 members, 0 owners, 0 editors
created      TIME

key          RSA 2048, active
fingerprint  FINGERPRINT
subject      CN=The Board,O=Sealist tests
issuer       CN=CA,O=Sealist tests
serial       HEX
addresses    board@lists.example.org
usages       digitalSignature, keyEncipherment, emailProtection, clientAuth
valid        DATE to DATE
chain        1 certificate
`)
	want(t, w.good("list", "create", "open@lists.example.org", "--send", "public"), `
list     open@lists.example.org
send     public
state    open
people   0 members, 0 owners, 0 editors
created  TIME
`)
	want(t, w.good("member", "add", board, "alice@example.org", "bob@example.org"), "2 members added to board@lists.example.org\n")
	want(t, w.good("member", "add", board, "alice@example.org"), "0 members added to board@lists.example.org, 1 there already\n")
	want(t, w.good("member", "add", board, "owner@example.org", "--role", "owner"), "1 owner added to board@lists.example.org\n")
	status, out, _ := w.tryWith("email,name\ncarol@example.org,Carol\n", "member", "import", board)
	if status != 0 {
		t.Errorf("status %d", status)
	}
	want(t, out, "1 member added to board@lists.example.org\n")
	want(t, w.good("member", "import", board, w.put("people", "dora@example.org\n")), "1 member added to board@lists.example.org\n")
	want(t, w.good("member", "del", board, "bob@example.org"), "1 member removed from board@lists.example.org\n")
	want(t, w.good("member", "ls", board), `
ADDRESS            ROLE    STATE     SINCE       NAME
alice@example.org  member  receives  DATE  -
carol@example.org  member  receives  DATE  Carol
dora@example.org   member  receives  DATE  -
owner@example.org  owner   receives  DATE  -
`)
	want(t, w.good("list", "ls"), `
LIST                     MEMBERS  SEND           STATE  KEY                        WAITING  DESCRIPTION
board@lists.example.org  3        private_smime  open   RSA 2048 until DATE  -        The board
open@lists.example.org   0        public         open   none                       -        -
`)
	want(t, w.good("key", "ls"), `
LIST                     STATE   USE   KEY       UNTIL       RETIRED ON  FINGERPRINT       SUBJECT
board@lists.example.org  active  both  RSA 2048  2026-09-01  -           0123456789abcdef  CN=The Board,O=Sealist tests
`)
	want(t, w.good("audit", "ls", "--limit", "2"), `
AT                    WHO                     WHAT           LIST                     OBJECT            DETAIL
TIME  listmaster (user NAME)  member import  board@lists.example.org  dora@example.org  added=1 role=member
TIME  listmaster (user NAME)  member del     board@lists.example.org  bob@example.org   role=member
`)
	if got := w.good("config", "reference"); !strings.HasPrefix(got, "# sealist.yaml\n") {
		t.Errorf("%.80s", got)
	}
}

// What goes wrong is told in full, and what to do; the status says whose turn
// it is.
func TestMistakes(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board)
	for _, c := range []struct {
		args   string
		status int
		text   string
	}{
		{"list create board@lists.example.org", 1, "listmaster: error: there is already a list board@lists.example.org\nlistmaster: hint: `listmaster list show board@lists.example.org` shows it\n"},
		{"list create x@lists.example.org --mail-list-agent", 2, "listmaster: error: a mail list agent signs what it distributes, and there is no key that may\nlistmaster: hint: give --p12 with a certificate for encryption and digitalSignature, or leave out --mail-list-agent\n"},
		{"list create x@lists.example.org --mail-list-agent --security-labels some", 2, "listmaster: error: \"some\" is nothing to do with security labels: write refuse or carry\n"},
		{"list create x@lists.example.org --security-labels carry", 2, "listmaster: error: --security-labels is for a mail list agent\nlistmaster: hint: give --mail-list-agent too\n"},
		{"list create board", 2, "listmaster: error: \"board\" is not an e-mail address: no @\nlistmaster: hint: name a list by its whole address, as board@lists.example.org\n"},
		{"list create", 2, "listmaster: error: accepts 1 arg(s), received 0\nlistmaster: hint: see `listmaster list create --help`\n"},
		{"list creat", 2, "listmaster: error: unknown command \"creat\" for \"listmaster list\"\nlistmaster: hint: did you mean `listmaster list create`?\n"},
		{"lst", 2, "listmaster: error: unknown command \"lst\" for \"listmaster\"\nlistmaster: hint: did you mean `listmaster list`?\n"},
		{"list ls --jsn", 2, "listmaster: error: unknown flag: --jsn\nlistmaster: hint: see `listmaster list ls --help`\n"},
		{"list create x@lists.example.org --password-file p12.pass", 2, "listmaster: error: there is a --password-file and no --p12\nlistmaster: hint: name the PKCS#12 file with --p12\n"},
		{"list create x@lists.example.org --p12 gone.p12", 3, "listmaster: error: open gone.p12: no such file or directory\n"},
		{"member add board@lists.example.org x y@", 2, "listmaster: error: \"x\" is not an e-mail address: no @\nlistmaster: error: \"y@\" is not an e-mail address: nothing after the @\nlistmaster: hint: write each as user@example.org; nobody was added\n"},
		{"member ls gone@lists.example.org", 1, "listmaster: error: there is no list gone@lists.example.org\nlistmaster: hint: `listmaster list ls` shows those there are\n"},
		{"member import board@lists.example.org gone", 3, "listmaster: error: open gone: no such file or directory\n"},
		{"cert explain", 2, "listmaster: error: give either an address or --list\nlistmaster: hint: see `listmaster cert explain --help`\n"},
		{"queue show none", 1, "listmaster: error: there is no post none\nlistmaster: hint: `listmaster queue ls --all` shows those there are\n"},
		{"directory test", 1, "listmaster: error: no directory is configured\nlistmaster: hint: add one to directories in sealist.yaml; `listd config reference` explains its keys\n"},
		{"message inspect gone", 1, "listmaster: error: open gone: no such file or directory\n"},
		{"message inspect - --password x", 2, "listmaster: error: there are more passwords than --p12\nlistmaster: hint: give each --p12 its --password or --password-file, in the same order\n"},
		{"message inspect - --password x --password-file y", 2, "listmaster: error: there are both --password and --password-file\nlistmaster: hint: give all of them in one of the two ways\n"},
	} {
		status, out, errOut := w.try(strings.Fields(c.args)...)
		if status != c.status || errOut != c.text || out != "" {
			t.Errorf("%s: status %d\n got %s%s\nwant %s", c.args, status, out, errOut, c.text)
		}
	}
}

func TestMistakesOfTheConfiguration(t *testing.T) {
	w := newWorld(t)
	w.configure("relay: { tls: yes }\ncolour: blue\n")
	status, _, errOut := w.try("list", "ls")
	if status != 3 || strings.Count(errOut, "listmaster: error: "+w.path("sealist.yaml")+":") != 2 || strings.Count(errOut, "listmaster: hint: ") != 2 {
		t.Errorf("status %d\n%s", status, errOut)
	}
	if err := os.Remove(w.path("sealist.yaml")); err != nil {
		t.Fatal(err)
	}
	status, _, errOut = w.try("list", "ls")
	if status != 3 || !strings.Contains(errOut, "listd config init --config") {
		t.Errorf("status %d\n%s", status, errOut)
	}
}

// The wrong key password is told before anything is made.
func TestWrongKeyPassword(t *testing.T) {
	w := newWorld(t)
	create := []string{"list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass")}
	w.good(create...)
	w.put("key_password", "another\n")
	create[2] = "other@lists.example.org"
	status, _, errOut := w.try(create...)
	if status != 3 || !strings.Contains(errOut, "listmaster: error: no key can be kept: ") || !strings.Contains(errOut, "key_password_file") {
		t.Errorf("status %d\n%s", status, errOut)
	}
	if got := w.good("list", "ls"); strings.Contains(got, "other@") {
		t.Errorf("made all the same:\n%s", got)
	}
}

// Every read answers in JSON too, and an empty answer is an empty list.
func TestJSON(t *testing.T) {
	w := newWorld(t)
	for _, args := range []string{"list ls", "key ls", "cert ls", "queue ls", "audit ls", "directory ls"} {
		if got := w.good(append(strings.Fields(args), "--json")...); got != "[]\n" {
			t.Errorf("%s: %s", args, got)
		}
	}
	w.good("list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"))
	if got := w.good("member", "ls", board, "--json"); got != "[]\n" {
		t.Errorf("member ls: %s", got)
	}
	w.good("member", "add", board, "alice@example.org")
	alice := w.ca.Issue("alice@example.org")
	w.keep(alice)
	s := w.store()
	l, err := s.List(t.Context(), list.MustParseAddress(board))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := s.Accept(t.Context(), store.Incoming{Octets: []byte("Subject: x\r\n\r\nx\r\n"), Targets: []store.Target{{List: l.ID, Kind: store.KindPost, ForwardPath: l.Address}}})
	if err != nil {
		t.Fatal(err)
	}
	for args, key := range map[string]string{
		"list ls": "address", "list show " + board: "keys", "member ls " + board: "role", "key ls " + board: "fingerprint",
		"cert ls": "verdicts", "cert ls alice@example.org": "pem", "cert show alice@example.org": "issuer",
		"cert explain alice@example.org": "sources", "cert explain --list " + board: "members",
		"queue ls": "state", "queue show " + ids[0]: "deliveries", "audit ls": "actor",
	} {
		got := w.good(append(strings.Fields(args), "--json")...)
		var answer any
		if err := json.Unmarshal([]byte(got), &answer); err != nil {
			t.Errorf("%s: %v\n%s", args, err, got)
		}
		if all, ok := answer.([]any); ok {
			answer = all[0]
		}
		if one, ok := answer.(map[string]any); !ok || one[key] == nil {
			t.Errorf("%s: no %s in\n%s", args, key, got)
		}
		if got := w.good(strings.Fields(args)...); strings.TrimSpace(got) == "" {
			t.Errorf("%s prints nothing for people", args)
		}
	}
	if got := w.good("cert", "show", "alice@example.org", "--pem"); got != string(alice.CertificatePEM()) {
		t.Errorf("%s", got)
	}
}

// A post that the next hop refused for everybody does not look delivered.
func TestProgressTellsWhatWasRelayed(t *testing.T) {
	for want, i := range map[string]admin.QueueItem{
		"":       {},
		"0 of 3": {Item: store.Item{Copies: 3, Unfinished: 3}},
		"3 of 3": {Item: store.Item{Copies: 3}, States: map[store.DeliveryState]int{store.DeliveryRelayed: 3}},
		"0 of 3, 2 failed, 1 withheld": {Item: store.Item{Copies: 3},
			States: map[store.DeliveryState]int{store.DeliveryFailed: 2, store.DeliveryWithheld: 1}},
		"1 of 3, 1 delayed": {Item: store.Item{Copies: 3, Unfinished: 2},
			States: map[store.DeliveryState]int{store.DeliveryRelayed: 1, store.DeliveryDelayed: 1, store.DeliveryQueued: 1}},
	} {
		if got := i.Progress(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestExplainForPeople(t *testing.T) {
	w := newWorld(t)
	w.put("data/X509-user-certs/alice@example.org@enc", string(w.ca.Issue("alice@example.org", smimetest.CommonName("Alice\x1b[2J")).CertificatePEM()))
	w.put("data/X509-user-certs/bob@example.org@enc", string(w.ca.Issue("bob@example.org", smimetest.SignOnly).CertificatePEM()))
	got := w.good("cert", "explain", "alice@example.org")
	for _, part := range []string{"alice@example.org: usable\n", "\nharvest: not found\n", "\nfiles: found, decides (", "\n  used\n", "    key          RSA 2048\n", `CN=Alice\u{1b}[2J`} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	status, got, errOut := w.try("cert", "explain", "bob@example.org")
	if status != 1 || errOut != "" || !strings.Contains(got, "bob@example.org: none\n") || !strings.Contains(got, "\n  wrong_usage\n") {
		t.Errorf("status %d\n%s%s", status, got, errOut)
	}
	w.good("list", "create", board)
	w.good("member", "add", board, "alice@example.org", "bob@example.org")
	status, got, _ = w.try("cert", "explain", "--list", board)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	want(t, got, `
MEMBER             VERDICT  SOURCE  CERTIFICATES  UNTIL       REMARK
alice@example.org  usable   files   1             DATE  -
bob@example.org    none     -       0             -           wrong_usage

2 members: 1 reachable (1 files), 0 of them with certificates that end soon; 1 not reachable (1 wrong usage); 0 wait for a source
`)
}

// A real directory, reached and then not.
func TestDirectory(t *testing.T) {
	w := newWorld(t)
	alice := w.ca.Issue("alice@corp.example")
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: []peer.Entry{peer.Person("alice", "alice@corp.example", alice.Certificate.Raw)}})
	w.configure("directories: [{ name: corp, preset: openldap, urls: ['" + slapd.URL + "'], base_dn: '" + peer.SlapdPeopleDN + "', timeout: 5s }]\n")

	got := w.good("directory", "ls")
	if !strings.Contains(got, "corp  openldap  "+slapd.URL+"  all      "+peer.SlapdPeopleDN+"  (mail={addr})") {
		t.Errorf("%s", got)
	}
	got = w.good("directory", "test", "alice@corp.example")
	for _, part := range []string{"corp: answers\n", "bound as anonymous", "filter (mail=alice@corp.example)\n", "entry uid=alice," + peer.SlapdPeopleDN + ": 1 certificate\n", "\n  verdict ", " usable\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	if got = w.good("directory", "test"); !strings.Contains(got, "corp: answers\n") {
		t.Errorf("%s", got)
	}
	if got = w.good("cert", "explain", "alice@corp.example"); !strings.Contains(got, "alice@corp.example: usable\n") || !strings.Contains(got, "corp: found, decides") {
		t.Errorf("%s", got)
	}

	if got = w.good("cert", "explain", "alice@corp.example"); !strings.Contains(got, "kept since") {
		t.Errorf("asked again: %s", got)
	}
	if got = w.good("cache", "ls"); !strings.Contains(got, "alice@corp.example  corp    positive  1") {
		t.Errorf("%s", got)
	}
	if got = w.good("cert", "refresh", "alice@corp.example"); !strings.Contains(got, "usable") {
		t.Errorf("%s", got)
	}
	if got = w.good("cache", "flush", "--source", "corp"); got != "forgot 1 answer\n" {
		t.Errorf("%s", got)
	}
	w.good("cert", "explain", "alice@corp.example")

	slapd.Kill()
	if got = w.good("cert", "explain", "alice@corp.example"); !strings.Contains(got, "alice@corp.example: usable\n") {
		t.Errorf("what is kept does not serve during an outage: %s", got)
	}
	for _, args := range []string{"directory test", "directory test alice@corp.example", "cert explain --fresh alice@corp.example"} {
		status, out, errOut := w.try(strings.Fields(args)...)
		if status != 1 || errOut != "" || strings.Contains(out, "no entry") || !(strings.Contains(out, "does not answer") || strings.Contains(out, ": delayed\n")) {
			t.Errorf("%s: status %d\n%s%s", args, status, out, errOut)
		}
	}
}

// Inspecting needs neither configuration nor database.
func TestMessageInspect(t *testing.T) {
	w := newWorld(t)
	if err := os.Remove(w.path("sealist.yaml")); err != nil {
		t.Fatal(err)
	}
	alice, bob := w.ca.Issue("alice@example.org"), w.ca.Issue("bob@example.org")
	message := string(smimetest.Mail("alice@example.org", "bob@example.org", "x", smimetest.Encrypt(alice.Sign(smimetest.Text("hello")), bob)))
	file, key := w.put("mail.eml", message), w.put("bob.key", string(bob.KeyPEM()))
	p12 := w.put("bob.p12", string(bob.PKCS12("pw")))

	got := w.good("message", "inspect", file, "--ca", w.path("ca.pem"), "--key", key)
	for _, part := range []string{"layer 1: enveloped", "layer 2: signed", "signer CN=alice@example.org,O=Sealist tests: valid and trusted", "author   authenticated"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	for _, password := range [][]string{{"--password", "pw"}, {"--password-file", w.path("p12.pass")}} {
		w.good(append([]string{"message", "inspect", file, "--ca", w.path("ca.pem"), "--p12", p12}, password...)...)
	}
	status, got, errOut := w.tryWith(message, "message", "inspect", "-", "--ca", w.path("ca.pem"), "--json")
	if status != 1 || errOut != "" || !strings.Contains(got, `"error": "decrypt_failed"`) {
		t.Errorf("status %d\n%s%s", status, got, errOut)
	}
	status, got, _ = w.try("message", "inspect", w.path("gone"), "--json")
	if status != 1 || !strings.Contains(got, `"authenticated": false`) || strings.Contains(got, `"error": ""`+"\n") {
		t.Errorf("status %d\n%s", status, got)
	}
	if status, got, errOut = w.tryWith("\x30\x80\x30\x80", "message", "inspect", "-"); status != 1 || errOut != "" {
		t.Errorf("status %d\n%s%s", status, got, errOut)
	}
}

// As root, listmaster becomes the owner of the data folder before it touches
// anything in it.
func TestRootBecomesTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	const nobody = 65534
	w := newWorld(t)
	for folder := w.dir; folder != filepath.Clean(os.TempDir()) && folder != "/"; folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(w.path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(w.path("data"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.path("ca.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	// The key password (0600) is root's, and read before root is given up.
	cmd := exec.Command(os.Args[0], "list", "create", board, "--config", w.path("sealist.yaml"), "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(w.path("data/*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != nobody || owner.Gid != nobody {
			t.Errorf("%s belongs to %d:%d", file, owner.Uid, owner.Gid)
		}
	}
}

// A mail list agent is off unless asked for, and says what it is.
func TestMailListAgent(t *testing.T) {
	w := newWorld(t)
	out := w.good("list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"), "--mail-list-agent", "--security-labels", "carry", "--json")
	if !strings.Contains(out, `"mail_list_agent": "carry"`) && !strings.Contains(out, `"mail_list_agent":"carry"`) {
		t.Errorf("the list says nothing of it:\n%s", out)
	}
	if out := w.good("list", "show", board); !strings.Contains(out, "mail list agent, security labels: carry") {
		t.Errorf("nor does the table:\n%s", out)
	}
	w.put("encrypt.p12", string(w.ca.Issue("x@lists.example.org", smimetest.EncryptOnly).PKCS12("pw")))
	if status, _, errOut := w.try("list", "create", "x@lists.example.org", "--p12", w.path("encrypt.p12"), "--password-file", w.path("p12.pass"), "--mail-list-agent"); status != 2 || !strings.Contains(errOut, "no key that may") {
		t.Errorf("a key that may not sign: %d %s", status, errOut)
	}
}

// TestListSet: settings change together or not at all, and show what they do.
func TestListSet(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", "plain@lists.example.org")
	w.good("member", "add", "plain@lists.example.org", "anna@example.org", "ben@example.org")
	for _, c := range []struct{ args, says string }{
		{"subject_tag=[plain] reply_to=list", ""},
		{"subject_tag=x nonsense=y", "there is no \"nonsense\""},
		{"encryption=always", "it has no key"},
		{"mail_list_agent=carry", "no key that may"},
		{"send=publc", "no scenario send.publc"},
		{"reply_to", "is no NAME=VALUE"},
	} {
		code, out, errOut := w.try(append([]string{"list", "set", "plain@lists.example.org"}, strings.Fields(c.args)...)...)
		if (code == 0) != (c.says == "") || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: %d, %s%s", c.args, code, out, errOut)
		}
	}
	shown := w.good("list", "show", "plain@lists.example.org")
	for _, part := range []string{"subject_tag  [plain]", "reply_to     list"} {
		if !strings.Contains(shown, part) {
			t.Errorf("no %q in\n%s", part, shown)
		}
	}
	w.good("member", "set", "plain@lists.example.org", "anna@example.org", "--reception", "not_me")
	if code, _, errOut := w.try("member", "set", "plain@lists.example.org", "ben@example.org", "eve@example.org", "--suspend"); code == 0 || !strings.Contains(errOut, "eve@example.org is no member") {
		t.Errorf("%d, %s", code, errOut)
	}
	if members := w.good("member", "ls", "plain@lists.example.org"); !strings.Contains(members, "not_me") || strings.Contains(members, "suspended") {
		t.Errorf("%s", members)
	}
}

// TestDirectoryMistakes: what people get wrong in a directory's configuration is told with its cause and what to do next.
func TestDirectoryMistakes(t *testing.T) {
	w := newWorld(t)
	alice := w.ca.Issue("alice@corp.example")
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{peer.Person("alice", "alice@corp.example", alice.Certificate.Raw)}})
	secret := w.put("ldap_password", peer.SlapdServiceSecret+"\n")
	wrong := w.put("wrong_password", "guess\n")
	bind := "bind_dn: '" + peer.SlapdServiceDN + "', bind_password_file: "
	for _, c := range []struct {
		name, directory, says, next string
		status                      int
	}{
		{"wrong password", "preset: openldap, base_dn: '" + peer.SlapdPeopleDN + "', " + bind + wrong, "Invalid Credentials", "bind_password_file", 1},
		{"no such base", "preset: openldap, base_dn: 'ou=nobody,dc=corp,dc=example', " + bind + secret, "No Such Object", "base_dn", 1},
		{"nobody found", "preset: openldap, filter: '(uid={addr})', base_dn: '" + peer.SlapdPeopleDN + "', " + bind + secret, "no entry", "filter", 0},
		{"no such attribute", "preset: custom, filter: '(mail={addr})', attributes: [userCertifcate], base_dn: '" + peer.SlapdPeopleDN + "', " + bind + secret, "0 certificates", "setting attributes", 0},
		{"anonymous is refused", "preset: openldap, base_dn: '" + peer.SlapdPeopleDN + "'", "", "bind_dn", 1},
		{"StartTLS without it", "preset: openldap, starttls: true, base_dn: '" + peer.SlapdPeopleDN + "', " + bind + secret, "", "TLS", 1},
	} {
		w.configure("directories: [{ name: corp, urls: ['" + slapd.URL + "'], timeout: 5s, " + c.directory + " }]\n")
		status, out, errOut := w.try("directory", "test", "alice@corp.example")
		if status != c.status || !strings.Contains(out+errOut, c.says) || !strings.Contains(out+errOut, c.next) {
			t.Errorf("%s: status %d\n%s%s", c.name, status, out, errOut)
		}
	}
}

// TestListFile: a list goes into a file and comes back from it, with all its settings and people; what is wrong in a file
// changes nothing.
func TestListFile(t *testing.T) {
	w := newWorld(t)
	const plain = "plain@lists.example.org"
	w.good("list", "create", plain, "--description", "A list: \"quoted\", with, commas")
	w.good("member", "add", plain, "anna@example.org", "ben@example.org")
	w.good("member", "add", plain, "anna@example.org", "--role", "owner")
	w.good("member", "set", plain, "ben@example.org", "--reception", "nomail", "--name", "Ben, the \"first\"")
	w.good("list", "set", plain, "footer=one\ntwo", "subject_tag=[plain]", "subscribe=closed")
	file := w.good("list", "export", plain)
	csv := w.good("member", "export", plain)
	if !strings.Contains(csv, "ben@example.org,\"Ben, the \"\"first\"\"\",member,nomail,no,no,\n") {
		t.Errorf("%s", csv)
	}
	if status, _, errOut := w.try("list", "rm", plain, "--yes"); status != 1 || !strings.Contains(errOut, "is open") {
		t.Errorf("%d, %s", status, errOut)
	}
	w.good("list", "close", plain)
	if status, _, _ := w.try("list", "rm", plain); status != 2 {
		t.Errorf("without --yes: %d", status)
	}
	w.good("list", "rm", plain, "--yes")
	if status, _, _ := w.try("list", "show", plain); status == 0 {
		t.Error("it is still there")
	}
	name := w.put("plain.yaml", file)
	if out := w.good("list", "apply", name, "--dry-run"); !strings.Contains(out, "would be made") || !strings.Contains(out, "+ owner anna@example.org") {
		t.Errorf("%s", out)
	}
	w.good("list", "apply", name)
	if again := w.good("list", "export", plain); again != file {
		t.Errorf("%s, was\n%s", again, file)
	}
	if out := w.good("list", "apply", name); !strings.Contains(out, "is so already") {
		t.Errorf("%s", out)
	}
	w.good("member", "add", plain, "eve@example.org")
	for _, c := range []struct{ file, says string }{
		{"list: " + plain + "\nsetings: {}\n", "field setings not found"},
		{"settings: { encryption: always }\n", "names no list"},
		{"list: " + plain + "\nsettings: { encryption: sometimes, subject_tag: x, review: nobody }\n", "encryption"},
		{"list: " + plain + "\nmembers: [{ address: x }, { address: anna@example.org, role: king }, { address: a@b.org }, { address: A@b.org }]\n", "members[1]"},
		{"list: " + plain + "\nmembers: [{ address: " + plain + " }]\n", "cannot be on itself"},
		{"list: x@elsewhere.example\n", "not a domain of this server"},
		{": : :", "cannot be understood"},
	} {
		status, out, errOut := w.try("list", "apply", w.put("bad.yaml", c.file))
		if status == 0 || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: %d, %s%s", c.file, status, out, errOut)
		}
	}
	if out := w.good("list", "apply", name, "--dry-run"); !strings.Contains(out, "- member eve@example.org") || strings.Contains(out, "subject_tag") {
		t.Errorf("a file with mistakes changed something: %s", out)
	}
}

// TestAuditExport: one JSON object a line, chosen by the same flags as `audit ls`.
func TestAuditExport(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", "open@lists.example.org", "--send", "public")
	w.good("member", "add", "open@lists.example.org", "alice@example.org", "bob@example.org")
	w.good("member", "del", "open@lists.example.org", "bob@example.org")
	for args, want := range map[string]string{
		"": "list create,member add,member del", "--action member": "member add,member del", "--action memb": "",
		"--object bob@example.org": "member del", "--actor listmaster --limit 1": "member del", "--since 1h": "list create,member add,member del",
		"--until 1h": "", "--since 2020-01-01 --until 2020-02-01T00:00:00Z": "", "--list open@lists.example.org --copies": "list create,member add,member del",
	} {
		var got []string
		for line := range strings.Lines(w.good(append([]string{"audit", "export"}, strings.Fields(args)...)...)) {
			var e struct {
				Action string
				Detail map[string]string
				List   string `json:"list_address"`
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.List != "open@lists.example.org" {
				t.Errorf("%v %+v", err, e)
			}
			if e.Action == "member add" && e.Detail["addresses"] != "alice@example.org bob@example.org" {
				t.Errorf("%+v", e)
			}
			got = append(got, e.Action)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %q, want %s", args, got, want)
		}
	}
	if status, _, errOut := w.try("audit", "ls", "--since", "soon"); status != 2 || !strings.Contains(errOut, "7d for a week ago") {
		t.Errorf("%d %s", status, errOut)
	}
}

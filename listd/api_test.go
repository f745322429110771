package listd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
)

// root is the listmaster of worlds with an API.
const root = "root@example.org"

// withAPI puts the pages and the API before a world, gives it a listmaster, and
// roles on a list: carol owns it, bob is its editor, alice its member; dora owns
// another one.
func withAPI(t *testing.T) *world {
	w := newWorld(t)
	w.config.Listmasters = []string{root}
	for _, name := range []string{"dora", "root"} {
		w.people[name] = w.ca.Issue(name + "@example.org")
	}
	w.only(openList, "carol", list.RoleOwner)
	w.only(openList, "bob", list.RoleEditor)
	w.only(wallList, "dora", list.RoleOwner)
	w.pages()
	return w
}

// only makes somebody something on a list, and nothing else there.
func (w *world) only(of, name string, role list.Role) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(of))
	w.must(err)
	a := list.MustParseAddress(name + "@example.org")
	_, err = w.sealist.Store.RemoveMembers(w.t.Context(), l.ID, list.RoleMember, []list.Address{a})
	w.must(err)
	_, err = w.sealist.Store.AddMembers(w.t.Context(), l.ID, []list.Member{{Address: a, Role: role}})
	w.must(err)
}

// commands are the use cases as the commands of listmaster call them.
func (w *world) commands() *admin.Admin {
	s := w.sealist
	return admin.New(admin.Parts{Store: s.Store, Keyring: s.Keyring, Resolver: s.Resolver, Trust: s.Judge, Scenarios: s.Scenarios, Facts: s.Facts(),
		Tokens: s.Tokens, Domains: w.config.Domains, Robot: w.config.Robot, Scheduler: s.Tasks("listmaster"), Clock: w.now})
}

var everyScope = []string{"read", "write", "moderate", "server"}

// token makes a token of somebody; all scopes if none is named.
func (w *world) token(name string, scopes ...string) string {
	w.t.Helper()
	if len(scopes) == 0 {
		scopes = everyScope
	}
	made, err := w.commands().AddToken(w.t.Context(), admin.NewToken{For: name + "@example.org", Scopes: scopes})
	w.must(err)
	return made.Token
}

// ask asks the API. A body that is a string goes as it is.
func (w *world) ask(token, method, path string, body any, header ...string) page {
	w.t.Helper()
	text, plain := body.(string)
	if body != nil && !plain {
		octets, err := json.Marshal(body)
		w.must(err)
		text = string(octets)
	}
	if !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.at(path), strings.NewReader(text))
	w.must(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	answer, err := w.browser(nil).Do(r)
	w.must(err)
	defer answer.Body.Close()
	octets, err := io.ReadAll(answer.Body)
	w.must(err)
	return page{answer.StatusCode, answer.Header, string(octets)}
}

// wants checks a status, and that an error is a problem of RFC 9457.
func (w *world) wants(name string, p page, status int) {
	w.t.Helper()
	if p.status != status {
		w.t.Errorf("%s: %d, want %d: %s", name, p.status, status, p.body)
	}
	if p.header.Get("Access-Control-Allow-Origin") != "" || p.header.Get("Set-Cookie") != "" {
		w.t.Errorf("%s: %v", name, p.header)
	}
	if p.status < 400 {
		return
	}
	var problem struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal([]byte(p.body), &problem); err != nil || p.header.Get("Content-Type") != "application/problem+json" || problem.Status != p.status || problem.Title == "" || problem.Detail == "" {
		w.t.Errorf("%s is no problem: %v %s", name, err, p.body)
	}
}

func TestTokens(t *testing.T) {
	w := withAPI(t)
	carol := w.token("carol")
	w.wants("none", w.ask("", "GET", "/me", nil), 401)
	w.wants("hers", w.ask(carol, "GET", "/me", nil), 200)
	if p := w.ask("", "GET", "/me", nil); !strings.HasPrefix(p.header.Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("%v", p.header)
	}
	for name, token := range map[string]string{
		"another secret": carol[:len(carol)-4] + "AAAA", "another id": strings.Replace(carol, carol[8:12], "0000", 1), "the id alone": carol[:20],
		"empty": " ", "long": "sealist_" + strings.Repeat("a", 5000), "a hash": "sealist_%_%", "no mark": carol[8:],
	} {
		w.wants(name, w.ask(token, "GET", "/me", nil), 401)
	}
	w.wants("basic", w.ask("", "GET", "/me", nil, "Authorization", "Basic "+carol), 401)
	w.wants("in the query", w.ask("", "GET", "/me?access_token="+carol, nil), 401)
	// A login of the pages counts for nothing.
	b := w.browser(w.people["carol"])
	b.login()
	w.wants("a cookie", b.do("GET", w.at("/api/v1/me"), nil, nil), 401)

	// Scopes.
	reading := w.token("carol", "read")
	w.wants("read", w.ask(reading, "GET", "/lists/"+openList+"/settings", nil), 200)
	if p := w.ask(reading, "PATCH", "/lists/"+openList+"/settings", map[string]string{"subject_tag": "x"}); p.status != 403 || !strings.Contains(p.header.Get("WWW-Authenticate"), `scope="write"`) {
		t.Errorf("%d %v", p.status, p.header)
	}
	w.wants("write alone does not read", w.ask(w.token("carol", "write"), "GET", "/me", nil), 403)
	// A scope gives no right: hers is none about the server.
	w.wants("tasks", w.ask(carol, "POST", "/tasks/purge/run", nil), 403)
	// Nor does another's token.
	bobs, err := w.commands().AddToken(t.Context(), admin.NewToken{For: "bob@example.org"})
	w.must(err)
	w.wants("ending bob's token", w.ask(carol, "DELETE", "/tokens/"+bobs.ID, nil), 404)
	if p := w.ask(carol, "GET", "/tokens", nil); strings.Contains(p.body, "bob@") || strings.Contains(p.body, "hash") || !strings.Contains(p.body, "carol@") {
		t.Error(p.body)
	}
	w.wants("root ends bob's token", w.ask(w.token("root"), "DELETE", "/tokens/"+bobs.ID, nil), 200)
	w.wants("bob's token", w.ask(bobs.Token, "GET", "/me", nil), 401)

	// Who loses a role loses the token, and what is done stands in the audit log.
	w.wants("set", w.ask(carol, "PATCH", "/lists/"+openList+"/settings", map[string]string{"subject_tag": "Open"}), 200)
	if e := w.audit(admin.AuditFilter{Action: "list set", Actor: "carol@example.org"}); len(e) != 1 || !strings.HasPrefix(e[0].Actor, "carol@example.org (token ") {
		t.Errorf("%+v", e)
	}
	_, err = w.commands().RemoveMembers(t.Context(), openList, "owner", []string{"carol@example.org"})
	w.must(err)
	w.wants("without the role", w.ask(carol, "GET", "/me", nil), 401)

	// Time.
	dora := w.token("dora")
	w.ahead.Store(int64(91 * 24 * time.Hour))
	w.wants("expired", w.ask(dora, "GET", "/me", nil), 401)
}

// TestUseOfTokensIsNoted: once a minute at most.
func TestUseOfTokensIsNoted(t *testing.T) {
	w := withAPI(t)
	dora := w.token("dora")
	used := func() time.Time {
		all, err := w.sealist.Store.APITokens(t.Context(), list.MustParseAddress("dora@example.org"))
		w.must(err)
		return all[0].Used
	}
	if !used().IsZero() {
		t.Error("used before")
	}
	w.ask(dora, "GET", "/me", nil)
	first := used()
	w.ask(dora, "GET", "/me", nil)
	if first.IsZero() || !used().Equal(first) {
		t.Errorf("%s, then %s", first, used())
	}
	w.ahead.Store(int64(2 * time.Minute))
	w.ask(dora, "GET", "/me", nil)
	if !used().After(first) {
		t.Error("not noted after two minutes")
	}
}

func TestAPIAttacks(t *testing.T) {
	w := withAPI(t)
	carol, listmaster := w.token("carol"), w.token("root")
	settings, roster := "/lists/"+openList+"/settings", "/lists/"+openList+"/members"
	w.wants("a large body", w.ask(carol, "PATCH", settings, `{"subject_tag":"`+strings.Repeat("a", 70<<10)+`"}`), 413)
	w.wants("a large import", w.ask(carol, "POST", roster+"/import", strings.Repeat("a", 9<<20), "Content-Type", "text/csv"), 413)
	w.wants("deep", w.ask(carol, "POST", roster, `{"addresses":`+strings.Repeat("[", 30000)+strings.Repeat("]", 30000)+`}`), 400)
	w.wants("no JSON", w.ask(carol, "PATCH", settings, `{"a`), 400)
	w.wants("two values", w.ask(carol, "PATCH", settings, `{} {}`), 400)
	w.wants("an unknown field", w.ask(carol, "POST", roster, `{"addresses":[],"sudo":true}`), 400)
	w.wants("a form", w.ask(carol, "PATCH", settings, "subject_tag=x", "Content-Type", "application/x-www-form-urlencoded"), 415)
	w.wants("plain text", w.ask(carol, "PATCH", settings, `{}`, "Content-Type", "text/plain"), 415)
	w.wants("an unknown parameter", w.ask(carol, "GET", roster+"?roel=owner", nil), 422)
	w.wants("a bad page", w.ask(carol, "GET", roster+"?limit=x", nil), 422)
	w.wants("an unknown setting", w.ask(carol, "PATCH", settings, `{"no_such":"x"}`), 422)
	w.wants("a setting that cannot be", w.ask(w.token("dora"), "PATCH", "/lists/"+wallList+"/settings", `{"encryption":"required"}`), 409)
	w.wants("a scenario's file", w.ask(carol, "PATCH", settings, `{"subscribe":"../../../etc/passwd"}`), 422)

	secret := w.file("secret.pem", w.people["alice"].CertificatePEM())
	for _, path := range []string{"/lists/..%2f..%2fetc%2fpasswd", "/lists/%2e%2e", "/queue/..%2fme", "/queue/%00", "/certificates/..%2f..%2fetc", "/scenarios/send.%2e%2e%2fx", "/tasks/..%2f/run", "/lists/" + strings.Repeat("a", 4000) + "@x"} {
		if p := w.ask(listmaster, "GET", path, nil); p.status != 404 && p.status != 409 && p.status != 422 && p.status != 405 || strings.Contains(p.body, "root:") {
			t.Errorf("%s: %d %s", path, p.status, p.body)
		}
	}
	// For the commands what is no fingerprint is a file.
	w.wants("pinning a file", w.ask(listmaster, "POST", "/pins", map[string]string{"address": "alice@example.org", "fingerprint": secret}), 422)
	w.wants("blocking a file", w.ask(listmaster, "PUT", "/blocks/"+strings.ReplaceAll(secret, "/", "%2f"), `{}`), 422)

	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		w.wants(header, w.ask(listmaster, "GET", "/lists/"+openList, nil, header, "DELETE"), 200)
		w.wants(header, w.ask(listmaster, "POST", "/lists/"+openList, nil, header, "DELETE"), 405)
	}
	w.wants("_method", w.ask(listmaster, "GET", "/lists/"+openList+"?_method=DELETE", nil), 422)
	if _, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(openList)); err != nil {
		t.Fatal(err)
	}
	p := w.ask("", "OPTIONS", "/me", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
	w.wants("a preflight", p, 405)
	w.wants("another origin", w.ask(carol, "GET", "/me", nil, "Origin", "https://evil.example"), 200)
	w.wants("another host", w.ask(carol, "GET", "/me", nil, "Host", "evil.example"), 421)
	w.wants("nowhere", w.ask(carol, "GET", "/nowhere", nil), 404)
	if p := w.ask(carol, "PUT", "/me", nil); p.status != 405 || p.header.Get("Allow") != "GET" {
		t.Errorf("%d %v", p.status, p.header)
	}
	if strings.Contains(w.logged(), carol) {
		t.Error("a token stands in the log")
	}
}

// TestAPILimits: a network without a token gets thirty tries, a token six hundred requests a minute.
func TestAPILimits(t *testing.T) {
	w := withAPI(t)
	carol := w.token("carol", "read")
	for range 30 {
		w.wants("a guess", w.ask("sealist_000000000000_x", "GET", "/me", nil), 401)
	}
	p := w.ask("sealist_000000000000_x", "GET", "/me", nil)
	w.wants("one too many", p, 429)
	if p.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.ahead.Store(int64(2 * time.Minute))
	w.wants("later", w.ask(carol, "GET", "/me", nil), 200)
}

// TestAPIPages: a long answer comes in pages.
func TestAPIPages(t *testing.T) {
	w := withAPI(t)
	carol := w.token("carol")
	var many []string
	for i := range 2500 {
		many = append(many, fmt.Sprintf("m%04d@example.net", i))
	}
	w.wants("add", w.ask(carol, "POST", "/lists/"+openList+"/members", map[string]any{"addresses": many}), 200)
	seen := 0
	for at := "/lists/" + openList + "/members?role=member"; at != ""; {
		p := w.ask(carol, "GET", at, nil)
		w.wants(at, p, 200)
		var members []list.Member
		w.must(json.Unmarshal([]byte(p.body), &members))
		seen += len(members)
		at, _, _ = strings.Cut(strings.TrimPrefix(p.header.Get("Link"), "<"), ">")
	}
	if seen != 2501 {
		t.Errorf("%d members", seen)
	}
}

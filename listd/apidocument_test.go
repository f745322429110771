package listd_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// described is what a test needs of an OpenAPI document.
type described struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		Scope       string `json:"x-scope"`
		RequestBody struct {
			Content map[string]struct{ Schema map[string]any }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
}

func (w *world) document() (d described) {
	w.t.Helper()
	p := w.ask("", "GET", "/openapi.json", nil)
	w.wants("the document", p, 200)
	w.must(json.Unmarshal([]byte(p.body), &d))
	return d
}

// TestAPIAnswersAsDocumented drives every operation of the document as a listmaster, and compares what comes with what
// it says: each has a sample here, and each sample an operation.
func TestAPIAnswersAsDocumented(t *testing.T) {
	w := withAPI(t)
	d := w.document()
	if d.OpenAPI != "3.1.0" {
		t.Errorf("%q", d.OpenAPI)
	}
	token, alice := w.token("root"), w.people["alice"]
	held := w.send(alice.Address, openList, mail(alice.Address, openList, smimetest.Encrypt(text, w.keys[openList])))
	second := w.send(alice.Address, openList, mail(alice.Address, openList, smimetest.Encrypt(text, w.keys[openList])))
	sent := w.send(alice.Address, wallList, mail(alice.Address, wallList, text))
	for _, i := range []string{held.ID, second.ID, sent.ID} {
		w.until("it is decided", func() bool {
			item, err := w.sealist.Store.Item(t.Context(), i)
			w.must(err)
			return item.State != "accepted" && item.State != "distributing"
		})
	}
	_, err := w.commands().Import(t.Context(), []string{w.file("alice.pem", alice.CertificatePEM())}, admin.ImportOptions{})
	w.must(err)
	print := trust.Fingerprint(alice.Certificate)
	own := w.token("root", "read")[8:20]
	const one, gone = "/lists/" + openList, "/lists/gone@lists.example.org"
	samples := []struct {
		method, operation, path, body string
		status                        int
	}{
		{"get", "/me", "/me", "", 200},
		{"get", "/me/certificates", "/me/certificates", "", 200},
		{"get", "/tokens", "/tokens", "", 200},
		{"delete", "/tokens/{id}", "/tokens/" + own, "", 200},
		{"get", "/lists", "/lists", "", 200},
		{"post", "/lists", "/lists", `{"address":"gone@lists.example.org","description":"x","send":"public"}`, 200},
		{"get", "/lists/{list}", one, "", 200},
		{"delete", "/lists/{list}", gone, "", 409}, // it is open
		{"patch", "/lists/{list}/settings", gone + "/settings", `{"state":"closed"}`, 200},
		{"delete", "/lists/{list}", gone, "", 200},
		{"get", "/lists/{list}/settings", one + "/settings", "", 200},
		{"put", "/lists/{list}/subscription", one + "/subscription", `{"name":"Root"}`, 200},
		{"patch", "/lists/{list}/subscription", one + "/subscription", `{"mode":"nomail"}`, 200},
		{"get", "/lists/{list}/keys", one + "/keys", "", 200},
		{"get", "/lists/{list}/reach", one + "/reach?within=720h", "", 200},
		{"get", "/lists/{list}/queue", one + "/queue?all=true", "", 200},
		{"get", "/lists/{list}/audit", one + "/audit?copies=true", "", 200},
		{"get", "/lists/{list}/moderation", one + "/moderation", "", 200},
		{"get", "/lists/{list}/members", one + "/members", "", 200},
		{"post", "/lists/{list}/members", one + "/members", `{"addresses":["x@example.net"]}`, 200},
		{"post", "/lists/{list}/members/import", one + "/members/import", "address\ny@example.net\n", 200},
		{"get", "/lists/{list}/members/export", one + "/members/export", "", 200},
		{"get", "/lists/{list}/members/{address}", one + "/members/x@example.net", "", 200},
		{"patch", "/lists/{list}/members/{address}", one + "/members/x@example.net", `{"suspended":true}`, 200},
		{"delete", "/lists/{list}/members/{address}", one + "/members/x@example.net", "", 200},
		{"get", "/moderation", "/moderation", "", 200},
		{"post", "/moderation/{id}/approve", "/moderation/" + held.ID + "/approve", "", 200},
		{"post", "/moderation/{id}/reject", "/moderation/" + second.ID + "/reject", `{"reason":"no"}`, 200},
		{"get", "/queue", "/queue?all=true", "", 200},
		{"get", "/queue/{id}", "/queue/" + sent.ID, "", 200},
		{"post", "/queue/{id}/cancel", "/queue/" + sent.ID + "/cancel", "", 200},
		{"post", "/queue/retry", "/queue/retry", `{}`, 200},
		{"post", "/queue/pauses", "/queue/pauses", `{"list":"` + openList + `","paused":true}`, 200},
		{"get", "/queue/pauses", "/queue/pauses", "", 200},
		{"post", "/queue/pauses", "/queue/pauses", `{"list":"` + openList + `","paused":false}`, 200},
		{"get", "/quarantine", "/quarantine", "", 200},
		{"post", "/quarantine/{id}/release", "/quarantine/" + sent.ID + "/release", "", 409},
		{"delete", "/quarantine/{id}", "/quarantine/" + sent.ID, "", 409},
		{"get", "/audit", "/audit?newest=50", "", 200},
		{"get", "/certificates", "/certificates", "", 200},
		{"get", "/certificates/{what}", "/certificates/" + print, "", 200},
		{"get", "/explain/{address}", "/explain/alice@example.org?fresh=true", "", 200},
		{"post", "/pins", "/pins", `{"address":"alice@example.org","fingerprint":"` + print + `"}`, 200},
		{"delete", "/pins/{address}", "/pins/alice@example.org", "", 200},
		{"put", "/blocks/{fingerprint}", "/blocks/" + print, `{"reason":"lost"}`, 200},
		{"delete", "/blocks/{fingerprint}", "/blocks/" + print, "", 200},
		{"get", "/keys", "/keys", "", 200},
		{"get", "/cache", "/cache", "", 200},
		{"get", "/cache/stats", "/cache/stats", "", 200},
		{"post", "/cache/flush", "/cache/flush", `{"all":true}`, 200},
		{"get", "/crls", "/crls", "", 200},
		{"post", "/crls/fetch", "/crls/fetch", "", 409},               // there is none
		{"post", "/directories/test", "/directories/test", `{}`, 409}, // there is none
		{"post", "/messages/inspect", "/messages/inspect", "From: a@example.org\r\n\r\nhello\r\n", 200},
		{"get", "/scenarios", "/scenarios", "", 200},
		{"get", "/scenarios/{name}", "/scenarios/send.private", "", 200},
		{"get", "/tasks", "/tasks", "", 200},
		{"post", "/tasks/{name}/run", "/tasks/purge/run", "", 200},
		{"get", "/nodes", "/nodes", "", 200},
		{"delete", "/lists/{list}/subscription", one + "/subscription", "", 200}, // last: with a role go the tokens
	}
	undriven := map[string]bool{}
	for path, operations := range d.Paths {
		for method := range operations {
			undriven[method+" "+path] = true
		}
	}
	for _, s := range samples {
		name := s.method + " " + s.operation
		operation, known := d.Paths[s.operation][s.method]
		if !known {
			t.Errorf("%s is not in the document", name)
			continue
		}
		delete(undriven, name)
		var body any
		header := []string{}
		for media := range operation.RequestBody.Content {
			body, header = s.body, []string{"Content-Type", media}
		}
		if (body == nil) != (s.body == "") {
			t.Errorf("%s: the document has another body", name)
		}
		p := w.ask(token, strings.ToUpper(s.method), s.path, body, header...)
		w.wants(name, p, s.status)
		if p.status != 200 {
			continue
		}
		for media, content := range operation.Responses["200"].Content {
			if given, _, _ := strings.Cut(p.header.Get("Content-Type"), ";"); given != media {
				t.Errorf("%s: %s, not %s", name, given, media)
			}
			if media != "application/json" {
				continue
			}
			var value any
			w.must(json.Unmarshal([]byte(p.body), &value))
			for _, wrong := range differences(content.Schema, value, name) {
				t.Errorf("%s", wrong)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(undriven)) {
		t.Errorf("%s is in the document, and not tried", name)
	}
}

// differences are the places where a value is not as a schema says. A field that the schema does not name is one, too.
func differences(schema map[string]any, value any, at string) (all []string) {
	kinds := []string{}
	switch k := schema["type"].(type) {
	case string:
		kinds = []string{k}
	case []any:
		for _, one := range k {
			kinds = append(kinds, one.(string))
		}
	default:
		return nil // anything
	}
	kind := map[bool]string{true: "null", false: "?"}[value == nil]
	switch v := value.(type) {
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		if kind = "number"; v == float64(int64(v)) && slices.Contains(kinds, "integer") {
			kind = "integer"
		}
	case []any:
		kind = "array"
		items := schema["items"].(map[string]any)
		for i, one := range v {
			all = append(all, differences(items, one, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		kind = "object"
		properties, closed := schema["properties"].(map[string]any)
		for name, one := range v {
			of, known := properties[name].(map[string]any)
			if !closed {
				of, known = schema["additionalProperties"].(map[string]any)
			}
			if !known {
				all = append(all, at+"."+name+" is not in the document")
				continue
			}
			all = append(all, differences(of, one, at+"."+name)...)
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				all = append(all, at+"."+name.(string)+" is missing")
			}
		}
	}
	if !slices.Contains(kinds, kind) {
		all = append(all, fmt.Sprintf("%s is %s, and not %v", at, kind, kinds))
	}
	return all
}

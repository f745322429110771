package datasource_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/store"
)

// Values that come in parts are continued to the end.
func TestRangedValues(t *testing.T) {
	for _, n := range []int{0, 1499, 1500, 1501, 4321} {
		f := fakeAD(t, n, 1500)
		_, run := newWorld(t, f.url).include(store.Include{Group: fakeGroup})
		if run.Found != n || run.Refusals != 0 {
			t.Errorf("%d members: found %d, refused %v", n, run.Found, run.Refused)
		}
	}
}

// A member attribute that comes in parts which do not fit brings nobody, and removes nobody.
func TestGarbledRanges(t *testing.T) {
	for name, bad := range map[string]func(from int, names []string) map[string][]string{
		"a hole": func(from int, n []string) map[string][]string {
			return map[string][]string{fmt.Sprintf("member;range=%d-%d", from+1, from+2): n[:2]}
		},
		"the same again": func(from int, n []string) map[string][]string { return map[string][]string{"member;range=0-1": n[:2]} },
		"fewer than it says": func(from int, n []string) map[string][]string {
			return map[string][]string{fmt.Sprintf("member;range=%d-%d", from, from+9): n[:2]}
		},
		"none": func(from int, n []string) map[string][]string {
			return map[string][]string{fmt.Sprintf("member;range=%d-%d", from, from-1): nil}
		},
		"no range": func(from int, n []string) map[string][]string { return map[string][]string{"member": n[:2]} },
		"nothing":  func(from int, n []string) map[string][]string { return nil },
		"two parts": func(from int, n []string) map[string][]string {
			return map[string][]string{fmt.Sprintf("member;range=%d-%d", from, from+1): n[:2], fmt.Sprintf("member;range=%d-*", from+2): n[:1]}
		},
		"no number": func(from int, n []string) map[string][]string { return map[string][]string{"member;range=x-y": n[:2]} },
		"no end": func(from int, n []string) map[string][]string {
			return map[string][]string{fmt.Sprintf("member;range=%d", from): n[:2]}
		},
		"negative": func(from int, n []string) map[string][]string { return map[string][]string{"member;range=-1-0": n[:2]} },
		"beyond counting": func(from int, n []string) map[string][]string {
			return map[string][]string{"member;range=99999999999999999999-*": n[:2]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			f := fakeAD(t, 20, 8, func(s search) (reply, bool) {
				from, asked := s.attribute("member")
				if !broken.Load() || s.base != fakeGroup || !asked || from == 0 {
					return reply{}, false
				}
				return reply{entries: []entry{{fakeGroup, bad(from, []string{"cn=p1," + fakeBase, "cn=p2," + fakeBase})}}}, true
			})
			w := newWorld(t, f.url)
			i, _ := w.include(store.Include{Group: fakeGroup})
			before := w.members()
			broken.Store(true)
			if run, err := w.sync(i); !errors.Is(err, ldap.ErrGarbled) || run.Outcome != store.SyncFailed {
				t.Errorf("%+v, %v", run, err)
			}
			w.membersAre(before)
		})
	}
}

// Somebody who goes while the parts are read moves the others; what was read then is not the group.
func TestGroupChangesWhileItIsRead(t *testing.T) {
	var changes atomic.Int64
	f := fakeAD(t, 20, 8, func(s search) (reply, bool) {
		if _, members := s.attribute("member"); s.base == fakeGroup && !members {
			return reply{entries: []entry{{fakeGroup, map[string][]string{"uSNChanged": {fmt.Sprint(100 + changes.Add(1))}}}}}, true
		}
		return reply{}, false
	})
	w := newWorld(t, f.url)
	if _, err := w.sync(w.define(store.Include{Group: fakeGroup})); !errors.Is(err, datasource.ErrChanged) {
		t.Error(err)
	}
	w.membersAre("")
}

// Whatever a server does wrong, in whichever question: nobody goes, and nobody comes.
func TestBadAnswers(t *testing.T) {
	answers := map[string]struct {
		reply reply
		want  error // nil: any
	}{
		"half an answer":                   {reply{entries: []entry{fakePerson("p0")}, hangUp: true}, nil},
		"no answer":                        {reply{hangUp: true}, nil},
		"garbage":                          {reply{raw: []byte("HTTP/1.1 400 Bad Request\r\n\r\n")}, nil},
		"endless length":                   {reply{raw: []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02, 0x01, 0x03}}, nil},
		"size limit":                       {reply{entries: []entry{fakePerson("p0")}, code: goldap.LDAPResultSizeLimitExceeded}, ldap.ErrTruncated},
		"size limit, empty":                {reply{code: goldap.LDAPResultSizeLimitExceeded}, ldap.ErrTruncated},
		"time limit":                       {reply{code: goldap.LDAPResultTimeLimitExceeded}, nil},
		"admin limit":                      {reply{code: goldap.LDAPResultAdminLimitExceeded}, nil},
		"busy":                             {reply{code: goldap.LDAPResultBusy}, nil},
		"unavailable":                      {reply{code: goldap.LDAPResultUnavailable}, nil},
		"unwilling":                        {reply{code: goldap.LDAPResultUnwillingToPerform}, nil},
		"operations error":                 {reply{code: goldap.LDAPResultOperationsError}, nil},
		"a code of its own":                {reply{code: 4711}, nil},
		"no access":                        {reply{code: goldap.LDAPResultInsufficientAccessRights}, nil},
		"no such object":                   {reply{code: goldap.LDAPResultNoSuchObject}, nil},
		"a referral":                       {reply{code: goldap.LDAPResultReferral}, ldap.ErrReferral},
		"references":                       {reply{referrals: []string{"ldap://other.example/dc=other,dc=example"}}, ldap.ErrReferral},
		"entry and referral":               {reply{entries: []entry{fakePerson("p0")}, referrals: []string{"ldap://child.corp.example/dc=child," + fakeBase}}, ldap.ErrReferral},
		"a page after which nothing comes": {reply{entries: []entry{fakePerson("p0")}, cookie: "x"}, nil},
		"empty pages without end":          {reply{cookie: "x"}, ldap.ErrGarbled},
		"an entry without a name":          {reply{entries: []entry{{"nonsense", map[string][]string{"mail": {"p0@" + domain}}}}}, ldap.ErrGarbled},
		"an entry twice, other code":       {reply{entries: []entry{fakePerson("p0"), fakePerson("p0")}, code: goldap.LDAPResultOther}, nil},
	}
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			f := startFake(t, func(s search) reply {
				switch {
				case s.base == "":
					return rootDSE()
				case broken.Load() && s.cookie != "" && name == "a page after which nothing comes":
					return reply{hangUp: true}
				case broken.Load():
					return c.reply
				}
				return reply{entries: []entry{fakePerson("p0"), fakePerson("p1"), fakePerson("p2")}}
			})
			w := newWorld(t, f.url)
			i, _ := w.include(store.Include{Filter: "(mail=*)"})
			broken.Store(true)
			run, err := w.sync(i)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || run.Outcome != store.SyncFailed {
				t.Errorf("%+v, %v", run, err)
			}
			w.membersAre("p0 p1 p2")
		})
	}
}

// The same for a group, at each of the questions that it takes: root, group, people, the rest one by one, primary group.
func TestBadAnswersForAGroup(t *testing.T) {
	steps := map[string]func(search) bool{
		"root":             func(s search) bool { return s.base == "" },
		"group":            func(s search) bool { return s.base == fakeGroup },
		"people":           func(s search) bool { return strings.Contains(s.filter, "distinguishedName") },
		"somebody missing": func(s search) bool { return s.base == "cn=p3,"+fakeBase },
		"primary group":    func(s search) bool { return strings.Contains(s.filter, "primaryGroupID") },
	}
	for name, bad := range map[string]reply{
		"hangs up": {hangUp: true}, "half": {entries: []entry{fakePerson("p0")}, hangUp: true}, "garbage": {raw: []byte("garbage")},
		"busy": {code: goldap.LDAPResultBusy}, "operations error": {code: goldap.LDAPResultOperationsError}, "size limit": {code: goldap.LDAPResultSizeLimitExceeded},
	} {
		for step, is := range steps {
			t.Run(name+" at "+step, func(t *testing.T) {
				t.Parallel()
				var broken, met atomic.Bool
				f := fakeAD(t, 3, 10, func(s search) (reply, bool) {
					switch {
					case broken.Load() && is(s):
						met.Store(true)
						return bad, true
					case s.base == "cn=p3,"+fakeBase: // in the group, and not found among many
						return reply{entries: []entry{fakePerson("p3")}}, true
					case s.base == fakeGroup:
						return reply{entries: []entry{{fakeGroup, map[string][]string{"objectClass": {"group"}, "objectSid": {sid(1234)},
							"member": {"cn=p0," + fakeBase, "cn=p1," + fakeBase, "cn=p2," + fakeBase, "cn=p3," + fakeBase}}}}}, true
					case strings.Contains(s.filter, "primaryGroupID=1234"):
						return reply{entries: []entry{fakePerson("p4")}}, true
					}
					return reply{}, false
				})
				w := newWorld(t, f.url)
				i, _ := w.include(store.Include{Group: fakeGroup})
				w.membersAre("p0 p1 p2 p3 p4")
				broken.Store(true)
				run, err := w.sync(i)
				// A batch that a server answers with an error is asked again one by one.
				if again := step == "people" && bad.code != 0 && bad.code != goldap.LDAPResultBusy; again {
					if err != nil || run.Outcome != store.SyncUnchanged {
						t.Errorf("%+v, %v", run, err)
					}
				} else if err == nil || run.Outcome != store.SyncFailed {
					t.Errorf("%+v, %v", run, err)
				}
				if !met.Load() {
					t.Error("the step was never taken")
				}
				w.membersAre("p0 p1 p2 p3 p4")
			})
		}
	}
}

// sid is a security identifier of the domain S-1-5-21-1-2-3.
func sid(rid uint16) string {
	return "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00" + string([]byte{byte(rid), byte(rid >> 8), 0, 0})
}

// Somebody in a group who lies on another server stays, as long as the group has him; with nested groups it may be a group.
func TestMembersElsewhere(t *testing.T) {
	var elsewhere atomic.Bool
	f := fakeAD(t, 2, 10, func(s search) (reply, bool) {
		switch {
		case s.base == fakeGroup:
			return reply{entries: []entry{{fakeGroup, map[string][]string{"objectClass": {"group"}, "member": {"cn=p0," + fakeBase, "cn=far,dc=child,dc=example", "cn=hidden," + fakeBase}}}}}, true
		case s.base == "cn=far,dc=child,dc=example" && elsewhere.Load():
			return reply{code: goldap.LDAPResultReferral}, true
		case s.base == "cn=far,dc=child,dc=example":
			return reply{entries: []entry{{s.base, map[string][]string{"mail": {"far@" + domain}}}}}, true
		case s.base == "cn=hidden,"+fakeBase && elsewhere.Load():
			return reply{code: goldap.LDAPResultInsufficientAccessRights}, true
		case s.base == "cn=hidden,"+fakeBase:
			return reply{entries: []entry{fakePerson("hidden")}}, true
		}
		return reply{}, false
	})
	w := newWorld(t, f.url)
	i, _ := w.include(store.Include{Group: fakeGroup})
	w.membersAre("far hidden p0")
	elsewhere.Store(true)
	run, err := w.sync(i)
	if err != nil || run.Outcome != store.SyncUnchanged || refusals(run) != "cn=far elsewhere; cn=hidden unreadable" {
		t.Errorf("%+v, %v", run, err)
	}
	w.membersAre("far hidden p0")
	if run, err := w.sync(w.define(store.Include{Group: fakeGroup, Nested: true})); err == nil || run.Outcome != store.SyncFailed {
		t.Errorf("%+v, %v", run, err)
	}
}

// Active Directory refers searches at the root of a domain to partitions in which nobody is.
func TestOwnPartitionsAreNoReferral(t *testing.T) {
	f := startFake(t, func(s search) reply {
		return reply{entries: []entry{fakePerson("p0")}, referrals: []string{"ldap://corp.example/CN=Configuration,DC=corp,DC=example",
			"ldap://corp.example/DC=DomainDnsZones,DC=corp,DC=example", "ldap://ForestDnsZones.corp.example/DC=ForestDnsZones,DC=corp,DC=example??base"}}
	})
	w := newWorld(t, f.url)
	w.include(store.Include{Filter: "(mail=*)"})
	w.membersAre("p0")
}

// A server that does not know pages sends all at once; one that does, sends them in pages, some of them empty.
func TestPages(t *testing.T) {
	f := startFake(t, func(s search) reply {
		if !s.paged {
			t.Error("the search asks for no pages")
		}
		switch s.cookie {
		case "":
			return reply{entries: []entry{fakePerson("p0")}, cookie: "1"}
		case "1":
			return reply{cookie: "2"}
		}
		return reply{entries: []entry{fakePerson("p1"), fakePerson("p0")}}
	})
	w := newWorld(t, f.url)
	w.include(store.Include{Filter: "(mail=*)"})
	w.membersAre("p0 p1")
}

// The next server is asked for everything when one fails in the middle.
func TestFailover(t *testing.T) {
	first := fakeAD(t, 20, 8, func(s search) (reply, bool) {
		return reply{hangUp: true}, strings.Contains(s.filter, "distinguishedName")
	})
	second := fakeAD(t, 10, 8)
	w := newWorld(t, first.url, func(o *ldap.Options) { o.URLs = append(o.URLs, second.url) })
	_, run := w.include(store.Include{Group: fakeGroup})
	if run.Found != 10 || run.Server != second.url {
		t.Errorf("found %d at %s", run.Found, run.Server)
	}
}

// What stands in an entry never becomes more than one address that can be written to.
func TestHostileValues(t *testing.T) {
	for value, reason := range map[string]string{
		"a@corp.example\r\nBcc: x@else.example":      datasource.BadAddress,
		"a@corp.example\r\n":                         datasource.BadAddress,
		"a\x00b@corp.example":                        datasource.BadAddress,
		"\"a@else.example\"@corp.example":            datasource.BadAddress,
		"a@else.example@corp.example":                datasource.BadAddress,
		"<a@corp.example>":                           datasource.BadAddress,
		"a@corp.example, b@corp.example":             datasource.BadAddress,
		"a@corp.example.":                            datasource.BadAddress,
		"\xff@corp.example":                          datasource.BadAddress,
		strings.Repeat("a", 70000) + "@corp.example": datasource.BadAddress,
		"a@else.example":                             datasource.OtherDomain,
		"a@sub.corp.example":                         datasource.OtherDomain,
		"a@corp.example.else.example":                datasource.OtherDomain,
		"a@xcorp.example":                            datasource.OtherDomain,
		"a@[127.0.0.1]":                              datasource.BadAddress,
		"BOARD@corp.example":                         datasource.ListItself,
		"":                                           datasource.BadAddress,
		" good@CORP.example ":                        "",
	} {
		f := startFake(t, func(s search) reply {
			e := fakePerson("p0")
			e.attributes["mail"] = []string{value}
			e.attributes["displayName"] = []string{"Eve\r\nBcc: x", "\u202eevE"}
			e.attributes["cn"] = []string{strings.Repeat("x", 5000)}
			return reply{entries: []entry{e}}
		})
		w := newWorld(t, f.url)
		_, run := w.include(store.Include{Filter: "(mail=*)"})
		if reason == "" {
			w.membersAre("good")
			if m, _ := w.store.Members(t.Context(), w.list, store.MemberFilter{}); m[0].Name != "" {
				t.Errorf("his name is %q", m[0].Name)
			}
			continue
		}
		if run.Found != 0 || len(run.Refused) != 1 || run.Refused[0].Reason != reason || len(run.Refused[0].Value) > 210 {
			t.Errorf("%.60q: %+v", value, run)
		}
		w.membersAre("")
	}
}

// Names in a group are escaped where they are asked for: one that looks like a filter finds nobody else.
func TestHostileNames(t *testing.T) {
	f := fakeAD(t, 3, 10, func(s search) (reply, bool) {
		if s.base != fakeGroup {
			if strings.Contains(s.filter, "(objectClass=*)") && s.scope != 0 || strings.Contains(s.filter, "(mail=*)") {
				t.Errorf("a name changed the filter: %s", s.filter)
			}
			return reply{}, false
		}
		return reply{entries: []entry{{fakeGroup, map[string][]string{"objectClass": {"group"}, "member": {
			"cn=x)(objectClass=*)," + fakeBase, "cn=*," + fakeBase, "cn=y))(|(mail=*)", "nonsense", "", "cn=\r\nz," + fakeBase, "cn=p0," + fakeBase}}}}}, true
	})
	w := newWorld(t, f.url)
	_, run := w.include(store.Include{Group: fakeGroup})
	w.membersAre("p0")
	if run.Refusals != 6 {
		t.Errorf("%+v", run.Refused)
	}
}

// A group of a million brings nobody and does not exhaust the memory.
func TestAMillionValues(t *testing.T) {
	for name, pattern := range map[string]string{"short": "a=%07d", "long": "cn=somebody with a long name %07d,ou=people,dc=corp,dc=example"} {
		raw := hugeGroup(3, pattern, 1_000_000) // after the bind and the root
		f := startFake(t, func(s search) reply {
			if s.base == "" {
				return rootDSE()
			}
			return reply{raw: raw}
		})
		w := newWorld(t, f.url)
		if _, err := w.sync(w.define(store.Include{Group: fakeGroup})); err == nil {
			t.Error(name, "was taken")
		} else if want := map[string]string{"short": "more than 101000 values", "long": "larger than any directory's"}[name]; !strings.Contains(err.Error(), want) {
			t.Error(name, err)
		}
		w.membersAre("")
	}
}

// hugeGroup is the message with a search result entry that has so many values.
func hugeGroup(id byte, pattern string, values int) []byte {
	wrap := func(tag byte, content []byte) []byte {
		return append([]byte{tag, 0x84, byte(len(content) >> 24), byte(len(content) >> 16), byte(len(content) >> 8), byte(len(content))}, content...)
	}
	var set []byte
	for i := range values {
		text := fmt.Sprintf(pattern, i)
		set = append(append(set, 0x04, byte(len(text))), text...)
	}
	attribute := wrap(0x30, append([]byte("\x04\x06member"), wrap(0x31, set)...))
	class := []byte("\x30\x16\x04\x0bobjectClass\x31\x07\x04\x05group")
	entry := append([]byte{0x04, byte(len(fakeGroup))}, fakeGroup...)
	entry = append(entry, wrap(0x30, append(class, attribute...))...)
	return append(wrap(0x30, append([]byte{0x02, 0x01, id}, wrap(0x64, entry)...)), message(int64(id), result(goldap.ApplicationSearchResultDone, 0), nil)...)
}

package datasource_test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// fake is a directory that misbehaves as Active Directory or a broken server would, and slapd never does on demand.
type fake struct {
	url    string
	answer func(search) reply
}

// search is a search request.
type search struct {
	base       string
	scope      int64
	filter     string
	attributes []string
	cookie     string // of the page control; "" is the first page
	paged      bool
}

// attribute returns the range that is asked for of an attribute, and whether the attribute is asked for at all.
func (s search) attribute(name string) (from int, asked bool) {
	for _, a := range s.attributes {
		bare, option, _ := strings.Cut(a, ";range=")
		if strings.EqualFold(bare, name) {
			from, _ = strconv.Atoi(strings.TrimSuffix(option, "-*"))
			return from, true
		}
	}
	return 0, false
}

// reply is what comes back.
type reply struct {
	entries   []entry
	referrals []string
	code      int64
	cookie    string // another page follows
	hangUp    bool   // the connection breaks after the entries
	raw       []byte // sent in place of everything else
}

// entry is one search result; attributes by the names under which they are returned.
type entry struct {
	dn         string
	attributes map[string][]string
}

func startFake(t testing.TB, answer func(search) reply) *fake {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listen.Close() })
	f := &fake{url: "ldap://" + listen.Addr().String(), answer: answer}
	go func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			go f.converse(conn)
		}
	}()
	return f
}

func (f *fake) converse(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		packet, err := ber.ReadPacket(in)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		id, _ := packet.Children[0].Value.(int64)
		switch op := packet.Children[1]; op.Tag {
		case goldap.ApplicationBindRequest:
			out.Write(message(id, result(goldap.ApplicationBindResponse, 0), nil))
		case goldap.ApplicationSearchRequest:
			s := readSearch(packet)
			r := f.answer(s)
			if r.raw != nil {
				out.Write(r.raw)
				out.Flush()
				return
			}
			writeReply(out, id, r)
			if r.hangUp {
				out.Flush()
				return
			}
		}
		out.Flush()
	}
}

func readSearch(packet *ber.Packet) search {
	op := packet.Children[1]
	s := search{base: op.Children[0].Data.String()}
	s.scope, _ = op.Children[1].Value.(int64)
	s.filter, _ = goldap.DecompileFilter(op.Children[6])
	for _, a := range op.Children[7].Children {
		s.attributes = append(s.attributes, a.Data.String())
	}
	if len(packet.Children) > 2 {
		for _, c := range packet.Children[2].Children {
			if control, err := goldap.DecodeControl(c); err == nil {
				if paging, ok := control.(*goldap.ControlPaging); ok {
					s.paged, s.cookie = true, string(paging.Cookie)
				}
			}
		}
	}
	return s
}

func writeReply(out *bufio.Writer, id int64, r reply) {
	for _, e := range r.entries {
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
		op.AppendChild(octets(e.dn))
		list := ber.NewSequence("")
		for name, values := range e.attributes {
			a := ber.NewSequence("")
			a.AppendChild(octets(name))
			set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
			for _, v := range values {
				set.AppendChild(octets(v))
			}
			a.AppendChild(set)
			list.AppendChild(a)
		}
		op.AppendChild(list)
		out.Write(message(id, op, nil))
	}
	for _, url := range r.referrals {
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
		op.AppendChild(octets(url))
		out.Write(message(id, op, nil))
	}
	if r.hangUp {
		return
	}
	var control *ber.Packet
	if r.cookie != "" {
		paging := goldap.NewControlPaging(0)
		paging.SetCookie([]byte(r.cookie))
		control = paging.Encode()
	}
	out.Write(message(id, result(goldap.ApplicationSearchResultDone, r.code), control))
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(tag ber.Tag, code int64) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets("the fake says so"))
	return op
}

func message(id int64, op, control *ber.Packet) []byte {
	m := ber.NewSequence("LDAPMessage")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	if control != nil {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		controls.AppendChild(control)
		m.AppendChild(controls)
	}
	return m.Bytes()
}

const (
	fakeBase  = "dc=corp,dc=example"
	fakeGroup = "cn=staff," + fakeBase
)

func fakePerson(uid string) entry {
	return entry{"cn=" + uid + "," + fakeBase, map[string][]string{"objectClass": {"user"}, "mail": {uid + "@" + domain}}}
}

// rootDSE makes the fake an Active Directory.
func rootDSE() reply {
	return reply{entries: []entry{{"", map[string][]string{"namingContexts": {fakeBase}, "supportedCapabilities": {"1.2.840.113556.1.4.800"}}}}}
}

// fakeAD is an Active Directory with n people in one group, whose member values it gives in parts of size. Each function
// of bad may answer a search in its place; the first that does counts.
func fakeAD(t testing.TB, n, size int, bad ...func(search) (reply, bool)) *fake {
	names := make([]string, n)
	for i := range names {
		names[i] = fakePerson(fmt.Sprintf("p%d", i)).dn
	}
	return startFake(t, func(s search) reply {
		for _, f := range bad {
			if r, ok := f(s); ok {
				return r
			}
		}
		switch {
		case s.base == "" && s.scope == 0:
			return rootDSE()
		case s.base == fakeGroup:
			e := entry{fakeGroup, map[string][]string{"objectClass": {"top", "group"}, "uSNChanged": {"77"}}}
			if from, asked := s.attribute("member"); asked {
				name, part := fakeRange(names, from, size)
				e.attributes[name] = part
			}
			return reply{entries: []entry{e}}
		case s.scope == 0 && slices.Contains(names, s.base):
			return reply{entries: []entry{fakePerson(fmt.Sprintf("p%d", slices.Index(names, s.base)))}}
		case s.scope == 0:
			return reply{code: goldap.LDAPResultNoSuchObject}
		}
		var r reply
		for i, dn := range names {
			if strings.Contains(s.filter, "(distinguishedName="+dn+")") {
				r.entries = append(r.entries, fakePerson(fmt.Sprintf("p%d", i)))
			}
		}
		return r
	})
}

// fakeRange is the part of the values from one on, and the name of the attribute it is returned under.
func fakeRange(values []string, from, size int) (name string, part []string) {
	end := min(from+size, len(values))
	switch {
	case from == 0 && end == len(values):
		return "member", values
	case end == len(values):
		return fmt.Sprintf("member;range=%d-*", from), values[from:]
	}
	return fmt.Sprintf("member;range=%d-%d", from, end-1), values[from:end]
}

package demo

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jimlambrt/gldap"
)

const baseDN = "dc=demo,dc=example"

// person is one entry of the demo's LDAP directory.
type person struct {
	mail       string
	attributes map[string][][]byte // certificates in DER by attribute
}

// directory is a small LDAP server on loopback.
type directory struct {
	server *gldap.Server
	people []person
	URL    string
	done   chan error
}

// startDirectory serves people until stop. It listens on loopback only.
func startDirectory(ctx context.Context, people []person) (*directory, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	server, err := gldap.NewServer(gldap.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, err
	}
	d := &directory{server: server, people: people, URL: "ldap://" + address, done: make(chan error, 1)}
	mux, err := gldap.NewMux()
	if err != nil {
		return nil, err
	}
	if err := mux.Bind(d.bind); err != nil {
		return nil, err
	}
	if err := mux.Search(d.search); err != nil {
		return nil, err
	}
	if err := server.Router(mux); err != nil {
		return nil, err
	}
	go func() { d.done <- server.Run(address) }()
	return d, d.wait(ctx, address)
}

// wait returns when the server answers. gldap does not say when it listens.
func (d *directory) wait(ctx context.Context, address string) error {
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-d.done:
			return fmt.Errorf("starting the demo's LDAP server: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// stop ends the server. Its clients must be gone: it waits for them.
func (d *directory) stop() error { return d.server.Stop() }

// bind lets anybody in: everything here is public.
func (d *directory) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	_ = w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
}

// mailTerm finds the addresses that a search filter asks for.
var mailTerm = regexp.MustCompile(`\(mail=([^()*]+)\)`)

// search answers with the entries of the addresses in the filter.
func (d *directory) search(w *gldap.ResponseWriter, r *gldap.Request) {
	done := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { _ = w.Write(done) }()
	m, err := r.GetSearchMessage()
	if err != nil {
		done.SetResultCode(gldap.ResultProtocolError)
		return
	}
	var asked []string
	for _, t := range mailTerm.FindAllStringSubmatch(m.Filter, -1) {
		asked = append(asked, strings.ToLower(t[1]))
	}
	for _, p := range d.people {
		if !slices.Contains(asked, p.mail) {
			continue
		}
		name, _, _ := strings.Cut(p.mail, "@")
		entry := r.NewSearchResponseEntry("uid=" + name + ",ou=people," + baseDN)
		entry.AddAttribute("mail", []string{p.mail})
		for attribute, values := range p.attributes {
			octets := make([]string, len(values))
			for i, v := range values {
				octets[i] = string(v)
			}
			entry.AddAttribute(attribute, octets)
		}
		_ = w.Write(entry)
	}
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	return address, l.Close()
}

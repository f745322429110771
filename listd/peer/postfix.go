package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// PostfixOptions says where a Postfix sends mail. At least one of ListURL and SinkAddr is needed.
type PostfixOptions struct {
	// ListDomains are the domains whose mail goes to ListURL. Default: lists.example.org.
	ListDomains []string
	// ListURL is the list server: lmtp://host:port, lmtp:/path or smtp://host:port.
	ListURL string
	// SinkAddr, host:port of an SMTP server, gets all other mail.
	SinkAddr string
	// Certificate and Key (PEM) make both ports offer STARTTLS.
	Certificate, Key []byte
	// Main and Master are further lines of main.cf and master.cf.
	Main, Master []string
}

// Postfix is a mail server with a configuration, a queue and a log of its own. It retries deferred mail every 1 to 2
// seconds.
type Postfix struct {
	InAddr       string // host:port of the port "in front": where the outside sends mail to
	ReinjectAddr string // host:port of the port "behind": where the list server gives its copies to

	tb  testing.TB
	dir string
}

// StartPostfix starts a Postfix instance. It must run as root, or the test is skipped like one without the program.
func StartPostfix(tb testing.TB, o PostfixOptions) *Postfix {
	tb.Helper()
	Program(tb, "postfix")
	if os.Geteuid() != 0 {
		Absent(tb, "Postfix can be started by root only")
	}
	p := &Postfix{tb: tb, dir: Folder(tb), InAddr: Loopback(Port(tb)), ReinjectAddr: Loopback(Port(tb))}
	for _, name := range []string{"etc", "spool", "data", "log"} {
		if err := os.Mkdir(p.path(name), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if err := chown(p.path("data"), "postfix"); err != nil {
		tb.Fatal(err)
	}
	write(tb, p.path("etc"), "main.cf", p.mainCF(o))
	write(tb, p.path("etc"), "master.cf", p.masterCF(o))
	write(tb, p.path("etc"), "transport", transport(o))
	// Cleanups run last first: the queue is stopped before its folder goes.
	tb.Cleanup(func() {
		p.Stop()
		if tb.Failed() {
			tb.Logf("Postfix, end of its log:\n%s", tail(p.path("log/mail.log"), 40))
		}
	})
	p.Start()
	return p
}

// Start starts the instance, again after Stop.
func (p *Postfix) Start() {
	p.tb.Helper()
	if err := p.command("start"); err != nil {
		p.tb.Fatalf("start Postfix: %v\n%s", err, tail(p.path("log/mail.log"), 20))
	}
	Until(p.tb, "Postfix", func() error { return errors.Join(answers(p.InAddr), answers(p.ReinjectAddr)) })
}

// Stop stops the instance; its queue stays.
func (p *Postfix) Stop() {
	if p.command("status") == nil {
		if err := p.command("stop"); err != nil {
			p.tb.Errorf("stop Postfix: %v", err)
		}
	}
}

// Flush lets Postfix try all deferred mail at once.
func (p *Postfix) Flush() {
	p.tb.Helper()
	if err := p.command("flush"); err != nil {
		p.tb.Fatalf("flush the queue of Postfix: %v", err)
	}
}

// Queue returns postqueue's list: "Mail queue is empty" or one paragraph a mail.
func (p *Postfix) Queue() string {
	p.tb.Helper()
	out, err := run(exec.Command(Program(p.tb, "postqueue"), "-c", p.path("etc"), "-p"))
	if err != nil {
		p.tb.Fatal(err)
	}
	return string(out)
}

// WaitEmpty waits until the queue is empty.
func (p *Postfix) WaitEmpty() {
	p.tb.Helper()
	Until(p.tb, "an empty queue", func() error {
		if queue := p.Queue(); !strings.Contains(queue, "Mail queue is empty") {
			return errors.New(queue)
		}
		return nil
	})
}

// Log returns the mail log.
func (p *Postfix) Log() string {
	p.tb.Helper()
	octets, err := os.ReadFile(p.path("log/mail.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.tb.Fatal(err)
	}
	return string(octets)
}

// WaitLog waits until a line of the mail log matches a regular expression, and returns the first that does.
func (p *Postfix) WaitLog(expression string) string {
	p.tb.Helper()
	wanted := regexp.MustCompile("(?m)^.*(?:" + expression + ").*$")
	var line string
	Until(p.tb, "a log line of Postfix with "+expression, func() error {
		if line = wanted.FindString(p.Log()); line == "" {
			return errors.New("not logged")
		}
		return nil
	})
	return line
}

func (p *Postfix) path(name string) string { return filepath.Join(p.dir, name) }

func (p *Postfix) command(verb string) error {
	_, err := run(exec.Command(Program(p.tb, "postfix"), "-c", p.path("etc"), verb))
	return err
}

func (p *Postfix) mainCF(o PostfixOptions) []byte {
	var c bytes.Buffer
	set := func(name, value string) { fmt.Fprintf(&c, "%s = %s\n", name, value) }
	set("compatibility_level", "3.6")
	set("config_directory", p.path("etc"))
	set("queue_directory", p.path("spool"))
	set("data_directory", p.path("data"))
	set("maillog_file", p.path("log/mail.log"))
	set("maillog_file_prefixes", p.path("log"))
	set("myhostname", "mx.example.org")
	set("mydomain", "example.org")
	set("mydestination", "")
	set("local_recipient_maps", "")
	set("alias_maps", "")
	set("inet_interfaces", "127.0.0.1")
	set("inet_protocols", "ipv4")
	set("mynetworks", "127.0.0.0/8")
	set("relay_domains", strings.Join(listDomains(o), ", "))
	set("transport_maps", "texthash:"+p.path("etc/transport"))
	set("recipient_delimiter", "+")
	set("smtputf8_enable", "yes")
	set("message_size_limit", "52428800")
	set("smtpd_client_connection_count_limit", "0")
	set("biff", "no")
	set("disable_dns_lookups", "yes") // nothing outside this machine is asked
	set("smtpd_peername_lookup", "no")
	set("queue_run_delay", "1s")
	set("minimal_backoff_time", "1s")
	set("maximal_backoff_time", "2s")
	set("smtp_destination_concurrency_failed_cohort_limit", "1000") // a down next hop is not declared dead
	set("lmtp_destination_concurrency_failed_cohort_limit", "1000")
	if o.SinkAddr != "" {
		host, port, _ := strings.Cut(o.SinkAddr, ":")
		set("relayhost", "["+host+"]:"+port)
	}
	if o.Certificate != nil {
		set("smtpd_tls_cert_file", write(p.tb, p.path("etc"), "server.crt", o.Certificate))
		set("smtpd_tls_key_file", write(p.tb, p.path("etc"), "server.key", o.Key))
		set("smtpd_tls_security_level", "may")
	}
	for _, line := range o.Main {
		c.WriteString(line + "\n")
	}
	return c.Bytes()
}

func (p *Postfix) masterCF(o PostfixOptions) []byte {
	return []byte(p.InAddr + ` inet n - n - 100 smtpd
` + p.ReinjectAddr + ` inet n - n - 100 smtpd -o syslog_name=postfix/reinject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
` + strings.Join(append(o.Master, ""), "\n"))
}

func listDomains(o PostfixOptions) []string {
	if o.ListDomains == nil {
		return []string{"lists.example.org"}
	}
	return o.ListDomains
}

// transport sends the list domains to the list server.
func transport(o PostfixOptions) []byte {
	if o.ListURL == "" {
		return nil
	}
	scheme, rest, _ := strings.Cut(o.ListURL, ":")
	hop := "unix:" + rest
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		name, port, _ := strings.Cut(host, ":")
		hop = "[" + name + "]:" + port
		if scheme == "lmtp" {
			hop = "inet:" + host
		}
	}
	var t bytes.Buffer
	for _, domain := range listDomains(o) {
		fmt.Fprintf(&t, "%s %s:%s\n", domain, scheme, hop)
	}
	return t.Bytes()
}

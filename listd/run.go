package listd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

// How Run keeps time.
const (
	watchEvery   = 500 * time.Millisecond // the change counter is read
	stopClients  = 5 * time.Second        // that clients in the middle of something get when the server stops
	drainCopies  = 20 * time.Second       // that posts and copies on their way get then
	clientsLeave = 10 * time.Minute       // that clients which were there before a reload may stay
	keepFinished = 7 * 24 * time.Hour     // that the octets of finished posts stay
)

// Run serves until ctx ends and then stops in order: no new mail is taken, the
// posts in hand reach a committed stage, copies on their way get their reply,
// results are written. It returns nil after an orderly stop.
func (s *Sealist) Run(ctx context.Context) error {
	hide, err := s.show()
	if err != nil {
		return err
	}
	defer hide()
	if err := s.takePart(ctx); err != nil {
		return err
	}
	s.started = s.o.Clock()
	g, err := s.generation(ctx)
	if err != nil {
		return err
	}
	doors, err := s.listen()
	if err != nil {
		return err
	}
	if err := s.Keyring.Locked(); err != nil {
		s.log.Error("the keyring is locked: mail to lists that have a key, and signed mail, waits", "reason", err)
	}
	return s.serve(ctx, g, doors)
}

// distribution is what a post is led along with.
func (s *Sealist) distribution() distribute.Parts {
	return distribute.Parts{
		Store: s.Store, Keyring: s.Keyring, Judge: s.Judge, Resolver: s.Resolver, Harvest: s.harvester(), Scenarios: s.Scenarios, Facts: s.Facts(),
		Domains: s.Config.Domains, MaxSigningAge: time.Duration(s.Config.Trust.MaxSigningAge),
		CrossPostWindow: time.Duration(s.Config.Trust.CrossPostWindow), AuthservIDs: s.Config.SMTP.AuthservIDs, DNS: s.o.DNS, Open: s.reading(),
		Tokens: s.Tokens, Returns: s.Returns, Admin: admin.New(s.useCases()), RobotName: s.Config.Robot, Listmasters: s.listmasters(),
		Memory: s.Config.Queue.Memory, Held: collectFor, Count: s.countPosts(), Clock: s.o.Clock, Log: s.log,
		OneClick: s.oneClick(), Notices: s.Notices, UnsignedAfter: s.Config.Notices.Unsigned(),
	}
}

// useCases is what people's commands need.
func (s *Sealist) useCases() admin.Parts {
	return admin.Parts{
		Store: s.Store, Keyring: s.Keyring, Resolver: s.Resolver, Trust: s.Judge, Anchored: s.Anchored(), RSAMinBits: s.Config.Trust.Algorithms.RSAMinBits, Scenarios: s.Scenarios, Facts: s.Facts(), Tokens: s.Tokens, Returns: s.Returns,
		Domains: s.Config.Domains, Robot: s.Config.Robot, Listmasters: s.listmasters(), Clock: s.o.Clock, Log: s.log,
	}
}

// listmasters are the addresses of those who run the server.
func (s *Sealist) listmasters() (all []list.Address) {
	for _, text := range s.Config.Listmasters {
		if a, err := list.ParseAddress(text); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// Try goes with a message to a list through every stage of a post's life, and
// sends and stores nothing of it. listText is the list's address, reversePath
// that of the envelope.
func (s *Sealist) Try(ctx context.Context, listText, reversePath string, octets []byte) (Trial, error) {
	address, err := list.ParseAddress(listText)
	if err != nil {
		return Trial{}, err
	}
	of, err := s.Store.List(ctx, address)
	if errors.Is(err, store.ErrNotFound) || err == nil && of.Robot {
		return Trial{}, fmt.Errorf("there is no list %s", address)
	}
	if err != nil {
		return Trial{}, err
	}
	return distribute.New(s.distribution()).Try(ctx, of, reversePath, octets)
}

// robots sees to it that every domain has the address that takes commands.
func (s *Sealist) robots(ctx context.Context) error {
	domains := slices.Clone(s.Config.Domains)
	lists, err := s.Store.Lists(ctx)
	if err != nil {
		return err
	}
	for _, l := range lists {
		domains = append(domains, l.Address.Domain())
	}
	slices.Sort(domains)
	for _, domain := range slices.Compact(domains) {
		address, err := list.ParseAddress(s.Config.Robot + "@" + domain)
		if err != nil {
			return fmt.Errorf("robot: %w", err)
		}
		if _, err := s.Store.EnsureRobot(ctx, address); err != nil {
			return fmt.Errorf("making the address for commands %s; is there a list of that name? (set robot): %w", address, err)
		}
	}
	return nil
}

// harvester returns the harvest, or nil where nothing is to be learnt.
func (s *Sealist) harvester() *harvest.Harvest {
	if !s.Config.Harvest.Enabled {
		return nil
	}
	return s.Harvest
}

// inbound makes the server that takes mail.
func (s *Sealist) inbound(d *distribute.Distributor) (*smtpd.Server, error) {
	tls, err := serverTLS(s.Config.SMTP.TLS.Cert, s.Config.SMTP.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("reading smtp.tls: %w", err)
	}
	limits := s.Config.SMTP.Limits
	return smtpd.New(smtpd.Config{
		Hostname: s.hostname(), Domains: s.Config.Domains, TLS: tls, TrustedNetworks: s.Config.SMTP.TrustedNetworks,
		MaxMessageBytes: s.Config.SMTP.MaxMessageBytes, Returns: s.Returns, Accepted: d.Wake, Room: s.room(),
		MaxConnections: limits.Connections, MaxRecipients: limits.Recipients, Memory: limits.Memory,
		IPv4Prefix: limits.IPv4Prefix, IPv6Prefix: limits.IPv6Prefix,
		Network: smtpd.Limits(limits.ClientNetwork), Domain: smtpd.Limits(limits.ReversePathDomain),
		Count: s.countClients(), Clock: s.o.Clock,
	}, s.Store, s.log)
}

// room is what says whether the file system of the database has room for mail;
// nil where the database is not a file of ours.
func (s *Sealist) room() func() error {
	if !strings.HasPrefix(s.Config.Store.URL, "sqlite:") {
		return nil
	}
	d := disk{dir: filepath.Dir(s.Store.Path()), least: s.Config.Store.MinFree, usage: usage, log: s.log}
	return d.room
}

func (s *Sealist) hostname() string {
	if s.Config.Hostname != "" {
		return s.Config.Hostname
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

// door is an open listening socket.
type door struct {
	socket
	url  string // as configured, with the port it has got
	lmtp bool
}

// socket is what *net.TCPListener and *net.UnixListener are.
type socket interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// listen opens every listener, or none.
func (s *Sealist) listen() ([]door, error) {
	var open []door
	for _, url := range s.Config.SMTP.Listen {
		l, err := listen(url)
		if err != nil {
			for _, o := range open {
				err = errors.Join(err, o.Close())
			}
			return nil, fmt.Errorf("listening on %s: %w", url, err)
		}
		open = append(open, l)
	}
	return open, nil
}

// listen opens smtp://host:port, lmtp://host:port or lmtp:/path. A socket file
// that an earlier run left behind is replaced.
func listen(url string) (door, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	if address, ok := strings.CutPrefix(rest, "//"); ok {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return door{}, err
		}
		return door{l.(socket), scheme + "://" + l.Addr().String(), scheme == "lmtp"}, nil
	}
	// The mail server beside runs as another user; who may enter the folder may hand in mail.
	l, err := listenUnix(rest, 0o666)
	if err != nil {
		return door{}, err
	}
	return door{l.(socket), url, scheme == "lmtp"}, nil
}

// watch wakes everybody when another process changed something.
func (s *Sealist) watch(ctx context.Context, d *distribute.Distributor, q *queue.Queue) {
	var last store.Changes
	tick(ctx, watchEvery, func() {
		n, err := s.Store.Changes(ctx)
		if err != nil || n == last {
			return
		}
		if n.Certificates != last.Certificates {
			if err := s.blocks.load(ctx); err != nil {
				s.log.Error("blocked certificates", "err", err)
				return // and try again at the next tick
			}
			s.Resolver.Forget()
		}
		if n.CRLs != last.CRLs {
			if err := s.restoreCRLs(ctx); err != nil {
				s.log.Error("CRLs that another process fetched cannot be taken up", "err", err)
			}
		}
		last = n
		d.Wake()
		q.Wake()
	})
}

// tick calls f at every interval until ctx ends.
func tick(ctx context.Context, every time.Duration, f func()) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}

// Version is this program's version.
const Version = "0.1.0-dev"

// Trial is what would become of a message, had it been posted.
type Trial = distribute.Trial

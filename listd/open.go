// Package listd puts the rooms together. Open wires everything without
// starting it, which is what listmaster needs; Run starts the server, watches
// it, and stops it in order.
package listd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/metric"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/revocation"
	"github.com/sealist/sealist/smime/trust"
)

// Names of the sources that are no directories, as resolver.order has them.
const (
	sourceHarvest = "harvest"
	sourceFiles   = "files"
)

// Options of Open and Run. The zero value is usable.
type Options struct {
	Clock         func() time.Time // nil: time.Now
	Log           *slog.Logger     // nil: nothing is logged
	KeyIterations int              // of the key password's derivation, for tests; 0: the keyring's default
	DNS           distribute.TXT   // what domains say of their mail; nil: the system's resolver
	ManualTasks   bool             // Run leaves periodic tasks to whoever runs them by hand, for tests
	FreshMetrics  bool             // each scrape reads the database, for tests
	Ready         func([]string)   // called by Run with the addresses listened on, as smtp://host:port
}

// Sealist is a server, or the tool beside one, put together and not started.
type Sealist struct {
	Config      *config.Config
	Store       *store.Store
	Keyring     *keyring.Keyring
	HSM         *hsm.Module
	Trust       *trust.Policy       // paths, without revocation
	Revocation  *revocation.Checker // what is known of CRLs and OCSP responders
	Judge       *revocation.Judge   // paths and revocation; it waits for answers
	Directories []*ldap.Directory   // in the order of the configuration
	Includes    *datasource.Syncer  // members from the directories; SyncDue is a job for every minute
	Harvest     *harvest.Harvest
	Files       *files.Files
	Resolver    *resolver.Resolver
	Scenarios   *scenario.Library // in the data folder, and built in
	Notices     *notice.Notices   // service mail

	Tokens  *token.Tokens
	Returns *bounce.Returns // addresses that copies leave from

	o       Options
	log     *slog.Logger
	metrics *metric.Metrics
	blocks  *blocks
	started time.Time // of Run
	closing sync.Once
	reloads chan reload
	now     atomic.Pointer[generation] // what Run works with
	phase   atomic.Int32               // of Run

	standby atomic.Bool // another server works on the mail that this one takes

	withheld withheldRun
}

// Open reads the files that the configuration names, opens the database, and
// puts everything together. Nothing is contacted and nothing runs until Run. A
// wrong or missing key password is no error: the keyring is locked then, and
// says so.
func Open(ctx context.Context, c *config.Config, o Options) (*Sealist, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.DNS == nil {
		o.DNS = net.DefaultResolver
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sealist{Config: c, o: o, log: o.Log, reloads: make(chan reload)}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	s.metrics = s.newMetrics()
	if err := s.openParts(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openParts puts together, over an open store, what follows from the
// configuration.
func (s *Sealist) openParts(ctx context.Context) error {
	s.Scenarios = scenario.NewLibrary(s.Config.DataDir)
	for _, step := range []func(context.Context) error{s.openNotices, s.openTrust, s.openReturns, s.openRevocation, s.restoreCRLs, s.openKeyring, s.openSources, s.openResolver} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close gives back what Open took.
func (s *Sealist) Close() error {
	return errors.Join(s.closeParts(), s.Store.Close())
}

// closeParts gives back what openParts took.
func (s *Sealist) closeParts() error {
	var errs []error
	s.closing.Do(func() {
		if s.Revocation != nil {
			errs = append(errs, s.Revocation.Close())
		}
		for _, d := range s.Directories {
			errs = append(errs, d.Close())
		}
		errs = append(errs, s.HSM.Close())
	})
	return errors.Join(errs...)
}

func (s *Sealist) openTrust(context.Context) error {
	anchors, err := certificates(s.Config.Trust.CAFile, s.Config.Trust.CAPath)
	if err != nil {
		return fmt.Errorf("reading the trust anchors: %w", err)
	}
	helpers, err := certificates(s.Config.Trust.Intermediates)
	if err != nil {
		return fmt.Errorf("reading trust.intermediates: %w", err)
	}
	scoped, err := scopedAnchors(s.Config.Trust.Anchors)
	if err != nil {
		return fmt.Errorf("reading trust.anchors: %w", err)
	}
	algorithms := s.Config.Trust.Algorithms
	s.Trust = trust.NewPolicy(trust.PolicyOptions{
		Anchors: anchors, Scoped: scoped, Intermediates: helpers, RSAMinBits: algorithms.RSAMinBits,
		AllowSHA1: strings.EqualFold(algorithms.SHA1Signatures, "allow"),
	})
	return nil
}

// Anchored tells whether the site names trust anchors. Without any, nothing is
// trusted, and that a list's certificate is not says nothing about it.
func (s *Sealist) Anchored() bool {
	anchors, _ := s.Trust.Configured()
	return len(anchors) > 0
}

func (s *Sealist) openNotices(context.Context) (err error) {
	s.Notices, err = noticesOf(s.Config, s.log)
	return err
}

// noticesOf is how service mail is written by a configuration.
func noticesOf(c *config.Config, log *slog.Logger) (*notice.Notices, error) {
	site := notice.Site{Lang: list.Language(c.Lang), Dir: c.Notices.Dir, Log: log}
	if site.Dir != "" && !filepath.IsAbs(site.Dir) {
		site.Dir = filepath.Join(c.DataDir, site.Dir)
	}
	if len(c.Listmasters) > 0 {
		var err error
		if site.Address, err = list.ParseAddress(c.Listmasters[0]); err != nil {
			return nil, fmt.Errorf("listmasters: %w", err)
		}
	}
	return notice.New(site)
}

// CheckTemplates returns what is wrong with the templates of service mail in the folder that the configuration names.
func CheckTemplates(c *config.Config) ([]config.Finding, error) {
	notices, err := noticesOf(c, nil)
	if err != nil {
		return nil, err
	}
	faults, err := notices.Check()
	if err != nil {
		return nil, fmt.Errorf("reading notices.dir: %w", err)
	}
	var findings []config.Finding
	for _, f := range faults {
		findings = append(findings, config.Finding{File: f.Path, Key: "notices.dir", What: f.Err.Error(), Remedy: "mend or remove it; until then the built-in template stands in for it"})
	}
	return findings, nil
}

func (s *Sealist) openStore(ctx context.Context) error {
	if err := os.MkdirAll(s.Config.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	var err error
	s.Store, err = s.database(ctx, s.Config.Store)
	return err
}

// database opens the database that a configuration names.
func (s *Sealist) database(ctx context.Context, c config.Store) (*store.Store, error) {
	password, err := c.Password()
	if err != nil {
		return nil, fmt.Errorf("reading store.password_file: %w", err)
	}
	return store.Open(ctx, c.URL, store.Options{
		DataDir: s.Config.DataDir, Password: string(password.Reveal()), Insecure: c.Insecure, Clock: s.o.Clock, Log: s.log,
	})
}

// returnsSecret is where the store keeps the secret of return addresses.
//
// It is not under the key password: mail leaves and bounces are taken while the
// keyring is locked, and on a node without the password. It guards nothing that
// the database it lies in does not show; who reads it there can make a member look
// unreachable, of which the owners are told.
const returnsSecret = "return addresses"

func (s *Sealist) openReturns(ctx context.Context) error {
	secret := make([]byte, bounce.SecretOctets)
	rand.Read(secret)
	// Whoever came first has decided.
	if err := s.Store.PutSecretOnce(ctx, returnsSecret, secret); err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	secret, err := s.Store.Secret(ctx, returnsSecret)
	if err != nil {
		return err
	}
	s.Returns, err = bounce.NewReturns(secret)
	return err
}

func (s *Sealist) openKeyring(ctx context.Context) error {
	password, err := s.Config.KeyPassword()
	if err != nil && !errors.Is(err, config.ErrNoSecret) {
		s.log.Error("the key password cannot be read; lists that have a key are locked", "err", err)
	}
	s.Keyring = keyring.Open(ctx, s.Store, password.Reveal(), keyring.Options{
		Iterations: s.o.KeyIterations, RSAMinBits: s.Config.Trust.Algorithms.RSAMinBits, HSM: s.openHSM(), Clock: s.o.Clock, Log: s.log,
	})
	return nil
}

// openHSM makes the security module that the configuration names, and loads
// nothing yet.
func (s *Sealist) openHSM() *hsm.Module {
	c := s.Config.PKCS11
	if c.Module != "" && !hsm.Built {
		s.log.Error("pkcs11 is configured, and its keys stay locked", "err", hsm.ErrNotBuilt)
	}
	o := hsm.Options{Path: c.Module}
	if c.PINFile != "" {
		o.PIN = func() ([]byte, error) {
			pin, err := config.ReadKeyPasswordFile(c.PINFile)
			return pin.Reveal(), err
		}
	}
	s.HSM = hsm.Open(o)
	return s.HSM
}

// openSources makes every source of certificates that the configuration names.
func (s *Sealist) openSources(context.Context) error {
	for _, c := range s.Config.Directories {
		d, err := s.directory(c)
		if err != nil {
			return fmt.Errorf("directory %s: %w", c.Name, err)
		}
		s.Directories = append(s.Directories, d)
	}
	s.Tokens = token.New(s.Store, s.Keyring, s.o.Clock)
	s.Includes = datasource.New(datasource.Parts{Store: s.Store, Directories: s.Directories, Clock: s.o.Clock, Log: s.log})
	s.Harvest = harvest.New(sourceHarvest, s.Store)
	dir, err := s.pemFolder()
	if err != nil {
		return fmt.Errorf("making the folder of PEM files: %w", err)
	}
	s.Files = files.New(sourceFiles, dir)
	return nil
}

// pemFolder returns the folder of PEM files. One within the data folder is made
// if it is not there; elsewhere it may be a share that is not mounted, and a
// missing folder is an outage then (invariant 2).
func (s *Sealist) pemFolder() (string, error) {
	dir := s.Config.Files.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.Config.DataDir, dir)
	}
	if within, err := filepath.Rel(s.Config.DataDir, dir); err != nil || !filepath.IsLocal(within) {
		return dir, nil
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// directory makes one LDAP directory.
func (s *Sealist) directory(c config.Directory) (*ldap.Directory, error) {
	tls, err := clientTLS(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading cafile: %w", err)
	}
	if tls.ServerName = c.ServerName; c.ClientCert != "" {
		pair, err := loadPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("reading client_cert: %w", err)
		}
		tls.Certificates = pair
	}
	o := ldap.Options{
		ClientOptions: ldap.ClientOptions{
			URLs: c.URLs, StartTLS: c.StartTLS, Insecure: c.Insecure, TLS: tls, BindDN: c.BindDN,
			External: c.BindExternal, Timeout: time.Duration(c.Timeout), ConnectTimeout: time.Duration(c.ConnectTimeout),
			IdleTimeout: time.Duration(c.IdleTimeout), Clock: s.o.Clock, Log: s.log,
		},
		Name: c.Name, Preset: c.Preset, Domains: c.Domains, BaseDN: c.BaseDN, Filter: c.Filter,
		Attributes: c.Attributes, EntryBinds: c.AddressMatch == "entry",
	}
	if c.Discover && len(c.Domains) == 1 {
		o.Discover = c.Domains[0]
	}
	if o.Scope, err = ldap.ParseScope(c.Scope); err != nil {
		return nil, err
	}
	if c.BindPasswordFile != "" {
		o.BindPassword = func() ([]byte, error) {
			secret, err := config.ReadSecretFile(c.BindPasswordFile)
			return secret.Reveal(), err
		}
	}
	return ldap.New(o)
}

// openResolver puts the sources in order.
func (s *Sealist) openResolver(context.Context) error {
	choice := resolver.All // of the pinned ones, where nothing else is used
	if name := s.Config.Resolver.Select; name != config.SelectPinned {
		var err error
		if choice, err = resolver.ParseSelect(name); err != nil {
			return fmt.Errorf("resolver.select: %w", err)
		}
	}
	sources, err := s.sources()
	if err != nil {
		return fmt.Errorf("resolver.order: %w", err)
	}
	s.expectMetrics(sources)
	s.Resolver = resolver.New(sources, s.Judge.Prompt(), resolver.Options{
		Select: choice, MaxCertificates: s.Config.Resolver.MaxCertificates, Memory: s.Config.Resolver.Memory,
		AllowExpired: s.Config.Resolver.AllowExpired, Changes: s.Revocation.Changes, Clock: s.o.Clock, Log: s.log,
	})
	return nil
}

// cached puts the cache in the database before a directory. What was kept while the directory was configured otherwise
// does not count.
func (s *Sealist) cached(d *ldap.Directory) *resolver.Cached {
	i := slices.IndexFunc(s.Config.Directories, func(c config.Directory) bool { return c.Name == d.Name() })
	settings, _ := json.Marshal(s.Config.Directories[i])
	version := sha256.Sum256(settings)
	r := s.Config.Resolver
	return resolver.NewCached(measured{d, s.metrics}, hex.EncodeToString(version[:8]), s.Store, resolver.CacheOptions{
		Positive: time.Duration(r.PositiveTTL), Negative: time.Duration(r.NegativeTTL), Stale: time.Duration(r.StaleIfError),
		Clock: s.o.Clock, Log: s.log,
	})
}

func (s *Sealist) sources() ([]resolver.Source, error) {
	assigned := func(kind store.MarkKind) func(context.Context, []string) ([]directory.Kept, error) {
		return func(ctx context.Context, keys []string) ([]directory.Kept, error) {
			return s.Store.Assigned(ctx, kind, keys)
		}
	}
	pinned, domain := harvest.NewPinned(assigned(store.MarkPin)), harvest.NewDomain(assigned(store.MarkDomain))
	if s.Config.Resolver.Select == config.SelectPinned {
		return []resolver.Source{pinned}, nil
	}
	known := map[string]resolver.Source{sourceFiles: s.Files, sourceHarvest: s.Harvest}
	if !s.Config.Harvest.Enabled {
		known[sourceHarvest] = s.Harvest.Imported()
	}
	for _, d := range s.Directories {
		known[d.Name()] = s.cached(d)
	}
	sources := []resolver.Source{pinned, ownLists{s.Store, s.Config.Domains}}
	for _, name := range s.Config.Resolver.Order {
		source, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("there is no source %q", name)
		}
		sources = append(sources, source)
	}
	return append(sources, domain), nil
}

// reading says which old algorithms are still read in mail.
func (s *Sealist) reading() smime.Options {
	a := s.Config.Trust.Algorithms
	limits := cms.DefaultLimits()
	limits.Octets = max(limits.Octets, s.Config.SMTP.MaxMessageBytes)
	return smime.Options{
		Limits:  limits,
		Verify:  cms.VerifyPolicy{AllowSHA1: strings.EqualFold(a.SHA1Signatures, "allow")},
		Decrypt: cms.DecryptPolicy{Allow3DES: strings.EqualFold(a.Decrypt3DES, "allow")},
	}
}

package config

// Config is the whole of sealist.yaml.
//
// The comments of the fields in this file are the configuration reference
// (Reference, docs/configuration.md): they are written for the person who
// edits the file. The tags are the rules that the reader checks by itself:
// "values" the words that are allowed, "min" and "max" the range of a number
// or duration, and "reload" on keys that take a restart.
type Config struct {
	// Folder of everything Sealist keeps: the database, the spool in it, the
	// PEM folder; and of scenario files (docs/scenarios.md). It belongs to the
	// user that runs `listd serve`. A relative path counts from the folder of
	// the configuration file.
	DataDir string `mapstructure:"data_dir" reload:"restart"`

	// Name this server gives itself when it greets, when it says EHLO and in
	// the Message-ID of the mail it writes. Empty: the machine's own name.
	Hostname string `mapstructure:"hostname"`

	// Name of this server among those that share a PostgreSQL database: each has
	// its own, and keeps it over restarts. Empty: the machine's own name.
	Node string `mapstructure:"node" reload:"restart"`

	// Local part of the address that takes commands by mail, one in every
	// domain: `sealist@lists.example.org`. People who come from Sympa may want
	// `sympa`.
	Robot string `mapstructure:"robot"`

	// Mail domains whose lists live here, in lower case. `listmaster list
	// create` refuses a list of any other domain. Empty: any domain.
	Domains []string `mapstructure:"domains"`

	// Addresses of the people who run this server. Once a day, if there is
	// something to say, they hear of what needs them: CRLs that cannot be had,
	// tasks that fail.
	Listmasters []string `mapstructure:"listmasters"`

	// What the mail that the server writes itself is written in, for lists that
	// name no other language (`listmaster list set LIST lang=de`).
	Lang string `mapstructure:"lang" values:"en|fr|de"`

	// The mail that the server writes itself (docs/notices.md).
	Notices Notices `mapstructure:"notices"`

	// How mail comes in.
	SMTP SMTP `mapstructure:"smtp"`

	// How mail goes out: the next hop that takes every copy and every notice.
	Relay Relay `mapstructure:"relay"`

	// How long copies and notices are tried.
	Queue Queue `mapstructure:"queue"`

	// Where state is kept.
	Store Store `mapstructure:"store"`

	// Whose certificates count, and which algorithms.
	Trust Trust `mapstructure:"trust"`

	// File with the password under which the keys of the lists are kept in the
	// database. Only its owner may read it (0600), or root and one group
	// (0640). The environment variable SEALIST_KEY_PASSWORD comes before it,
	// and so does the systemd credential `key_password`. Empty: the file
	// `key_password` beside the configuration file, if there is one. Without
	// any, lists that have a key are locked and the rest runs.
	KeyPasswordFile string `mapstructure:"key_password_file"`

	// A security module (HSM) that keys of lists are in (docs/keys.md). Only
	// programs built with `-tags pkcs11` can use one.
	PKCS11 PKCS11 `mapstructure:"pkcs11"`

	// LDAP directories in which subscribers' certificates are looked up.
	Directories []Directory `mapstructure:"directories"`

	// Certificates learnt from signed mail.
	Harvest Harvest `mapstructure:"harvest"`

	// A folder of PEM files, as Sympa keeps it.
	Files Files `mapstructure:"files"`

	// How the sources of certificates work together.
	Resolver Resolver `mapstructure:"resolver"`

	// Who is told that a certificate comes to its end, and when.
	Expiry Expiry `mapstructure:"expiry"`

	// Who did what.
	Audit Audit `mapstructure:"audit"`

	// What is written to the log (standard error).
	Log Log `mapstructure:"log"`

	// HTTPS pages and JSON API.
	Web Web `mapstructure:"web"`

	// Metrics for Prometheus, and whether the server is well (docs/metrics.md).
	Metrics Metrics `mapstructure:"metrics"`

	// Path of the file this was read from, absolute; empty for Default.
	File string `mapstructure:"-"`

	// keyPassword is what Load found, if it found one: a program that gives up
	// being root afterwards could not read it again.
	keyPassword Secret
}

// PKCS11 says how a security module is reached. Which token and which key it is
// stands in the reference that `listmaster key import --pkcs11` was given.
type PKCS11 struct {
	// The module's library, as `/usr/lib/softhsm/libsofthsm2.so`. Empty: keys
	// in a security module cannot be used, and mail that needs one waits.
	Module string `mapstructure:"module"`

	// File with the user's PIN. Only its owner may read it (0600), or root and
	// one group (0640); the user that runs listd must. It is read whenever the
	// server logs in to a token, and a PIN that the token did not take is not
	// tried again before the file changes. Empty: tokens are used without.
	PINFile string `mapstructure:"pin_file"`
}

// Notices says how service mail is written.
type Notices struct {
	// Folder of templates that stand in for those that are built in, as
	// `LANGUAGE/NAME.txt`, `DOMAIN/LANGUAGE/NAME.txt` or
	// `LIST@DOMAIN/LANGUAGE/NAME.txt`; a relative path counts from data_dir. It
	// need not be there.
	Dir string `mapstructure:"dir"`

	// How long a mail waits if its list has a key to sign it with and that
	// cannot be used, because the key password is missing or no certificate is
	// valid; then it leaves unsigned. `never`: it waits as long as queue.lifetime.
	// The listmasters are told at once in any case.
	UnsignedAfter string `mapstructure:"unsigned_after"`
}

// SMTP says how mail comes in.
type SMTP struct {
	// Listeners, each `smtp://host:port`, `lmtp://host:port` or
	// `lmtp:/path/of/socket`. A mail server in front that speaks LMTP is told
	// the fate of each recipient by itself. Port 0 is any that is free; the
	// log names it.
	Listen []string `mapstructure:"listen" reload:"restart"`

	// Certificate for STARTTLS. Without one STARTTLS is not offered.
	TLS TLSPair `mapstructure:"tls"`

	// Networks of your own mail servers, as `192.0.2.0/24`. They bring
	// everybody's mail, so their clients are bound by
	// limits.reverse_path_domain instead of limits.client_network. Sealist is
	// meant to stand behind a mail exchanger: it looks at no black lists.
	TrustedNetworks []string `mapstructure:"trusted_networks"`

	// Names (authserv-id, RFC 8601) under which your own mail server writes
	// Authentication-Results, for lists with smtp_requires dmarc. It must add
	// its result to every message, and take out fields with its name that come
	// from outside.
	AuthservIDs []string `mapstructure:"authserv_ids"`

	// Largest message that is taken, in octets; a larger one is refused with
	// 552. The same figure bounds what a message may decompress to.
	MaxMessageBytes int64 `mapstructure:"max_message_bytes" min:"1024" max:"2147483647"`

	// How much may come in at a time. Whoever sends more is put off, never
	// refused for good (docs/limits.md).
	Limits Limits `mapstructure:"limits"`
}

// Limits bounds what comes in.
type Limits struct {
	// Connections open at a time, of everybody together. A quarter of them is
	// kept for trusted_networks.
	Connections int `mapstructure:"connections" min:"1" max:"65536"`

	// Recipients of one message.
	Recipients int `mapstructure:"recipients" min:"1" max:"10000"`

	// Octets of memory for messages while they come in, all together. A message
	// waits for its share, half a minute at most; one that is larger than all
	// of it comes in alone.
	Memory int64 `mapstructure:"memory" min:"1048576" max:"68719476736"`

	// Leading bits of an IPv4 address that make a client network: 24 counts a
	// site's servers together, 32 each address by itself.
	IPv4Prefix int `mapstructure:"ipv4_prefix" min:"8" max:"32"`

	// The same for IPv6.
	IPv6Prefix int `mapstructure:"ipv6_prefix" min:"16" max:"128"`

	// What one network outside trusted_networks may do.
	ClientNetwork Allowance `mapstructure:"client_network"`

	// What may come from one domain, by its reverse-path, through
	// trusted_networks and unix sockets. Bounces, which have none, count
	// together like a domain of their own.
	ReversePathDomain Allowance `mapstructure:"reverse_path_domain"`
}

// Allowance is what one sender may do.
type Allowance struct {
	// Connections at a time; of a domain, those on which a message of it is
	// coming in. 0: any number.
	Connections int `mapstructure:"connections" min:"0" max:"65536"`

	// Messages a minute; as many may come at once after a quiet minute. 0: any
	// number.
	Messages int `mapstructure:"messages" min:"0" max:"1000000"`

	// Recipients a minute, those that do not exist included; likewise. 0: any
	// number.
	Recipients int `mapstructure:"recipients" min:"0" max:"10000000"`
}

// TLSPair names a certificate and its private key.
type TLSPair struct {
	// PEM file with the certificate and, behind it, its intermediates.
	Cert string `mapstructure:"cert"`

	// PEM file with the private key.
	Key string `mapstructure:"key"`
}

// Relay says how mail goes out.
type Relay struct {
	// The next hop: `smtp://host:port`, `lmtp://host:port` or
	// `lmtp:/path/of/socket`.
	Address string `mapstructure:"address"`

	// `none`; `opportunistic`: STARTTLS where the hop offers it, its
	// certificate not judged; `required`: STARTTLS with a verified
	// certificate, or no mail; `implicit`: TLS from the first octet, verified.
	TLS string `mapstructure:"tls" values:"none|opportunistic|required|implicit"`

	// PEM file with the authorities that vouch for the hop's certificate.
	// Empty: those of the system.
	CAFile string `mapstructure:"cafile"`

	// Connections kept to the hop at most; to each of them, if there are
	// several.
	Connections int `mapstructure:"connections" min:"1" max:"256"`

	// Next hops in place of relay.address. One that cannot be reached or does
	// not take mail is put aside for a while, and the others take over.
	Hops []Hop `mapstructure:"hops"`
}

// Hop is one of several next hops.
type Hop struct {
	// `host:port`, or the path of a unix socket.
	Address string `mapstructure:"address"`

	// `smtp` or `lmtp`; `smtp` unless set. A unix socket speaks `lmtp`.
	Protocol string `mapstructure:"protocol" values:"smtp|lmtp"`

	// As relay.tls, which holds unless this is set.
	TLS string `mapstructure:"tls" values:"none|opportunistic|required|implicit"`

	// As relay.cafile, which holds unless this is set.
	CAFile string `mapstructure:"cafile"`

	// File with `user:password` for SMTP AUTH by SCRAM-SHA-256, PLAIN or LOGIN.
	// A hop that is neither on loopback nor a socket must then have tls
	// `required` or `implicit`.
	AuthFile string `mapstructure:"auth_file"`

	// Share of the mail this hop gets, beside the others'. 0: only while no hop
	// with a weight takes mail; if none has a weight, all get the same.
	Weight int `mapstructure:"weight" min:"0" max:"1000"`
}

// Queue says how long what the next hop does not take, or what waits for a
// source of certificates, is tried.
type Queue struct {
	// Wait after the first attempt; each further one doubles it.
	RetryMin Duration `mapstructure:"retry_min" min:"1s" max:"1d"`

	// The longest wait between two attempts.
	RetryMax Duration `mapstructure:"retry_max" min:"1s" max:"7d"`

	// Age at which a copy that still cannot go is given up.
	Lifetime Duration `mapstructure:"lifetime" min:"1m" max:"30d"`

	// How long it is known what became of a post and of each copy, and which
	// certificates it was encrypted to (`listmaster queue show`, `listmaster
	// audit ls --post`): about 400 octets a copy. Its octets go after 7 days, or
	// when no copy waits for a certificate any more.
	Keep Duration `mapstructure:"keep" min:"7d" max:"3650d"`

	// Octets of memory for the messages that are open, to be judged or because
	// copies of them leave. One takes four times its size; what does not fit
	// waits, and one that is larger than all of it is opened alone.
	Memory int64 `mapstructure:"memory" min:"1048576" max:"68719476736"`
}

// Store says where state is kept.
type Store struct {
	// `sqlite:FILE`; a relative FILE counts from data_dir. Or
	// `postgres://USER@HOST/DATABASE?sslmode=verify-full`, with libpq's
	// parameters: PostgreSQL 13 or later, which any number of servers may share
	// (docs/nodes.md).
	URL string `mapstructure:"url" reload:"restart"`

	// File with the password of PostgreSQL's user. Without it the URL's counts,
	// or what libpq's own files and variables say.
	PasswordFile string `mapstructure:"password_file" reload:"restart"`

	// Octets that must be free on the file system of an SQLite database for
	// mail to be taken; with less it is put off with 452 until there is a
	// quarter more than this, and what was taken goes on. 0: 256 MiB, or a
	// twentieth of the file system where that is less.
	MinFree int64 `mapstructure:"min_free" min:"0" max:"1099511627776"`

	// Allows a database that is neither on this machine nor reached over
	// verified TLS.
	Insecure bool `mapstructure:"insecure" reload:"restart"`
}

// Trust says whose certificates count. Without cafile or capath nothing is
// trusted: the system's TLS roots never speak for mail.
type Trust struct {
	// PEM file with trust anchors: certificates of the authorities whose word
	// counts for every domain.
	CAFile string `mapstructure:"cafile"`

	// Folder of PEM files with trust anchors, instead of or beside cafile.
	CAPath string `mapstructure:"capath"`

	// Trust anchors that speak for some domains only.
	Anchors []Anchor `mapstructure:"anchors"`

	// PEM file, or folder of PEM files, with intermediate authorities. They
	// help to build a path and are never trusted by themselves.
	Intermediates string `mapstructure:"intermediates"`

	// Which algorithms are good enough.
	Algorithms Algorithms `mapstructure:"algorithms"`

	// Whether a certificate has been revoked.
	Revocation Revocation `mapstructure:"revocation"`

	// How old a signature may be when it arrives, by its own signing time.
	// Older mail counts as unsigned.
	MaxSigningAge Duration `mapstructure:"max_signing_age" min:"1h"`

	// For how long after a signed post reached one list it may reach another
	// of this server, too, where nothing in it says that the author meant it
	// to. Later it is taken for somebody else's doing and counts as unsigned.
	CrossPostWindow Duration `mapstructure:"cross_post_window" min:"0s"`
}

// Anchor is a set of trust anchors that speaks for some domains only.
type Anchor struct {
	// PEM file with the trust anchors. One that is in trust.cafile or
	// trust.capath too speaks for every domain.
	CAFile string `mapstructure:"cafile"`

	// Domains of the addresses they may speak for, without those below them.
	// A certificate counts only if all of its addresses are in them.
	Domains []string `mapstructure:"domains"`
}

// Algorithms says which algorithms are good enough.
type Algorithms struct {
	// Signatures over SHA-1: `refuse` or `allow`.
	SHA1Signatures string `mapstructure:"sha1_signatures" values:"refuse|allow"`

	// Shortest RSA key that is used, in bits.
	RSAMinBits int `mapstructure:"rsa_min_bits" min:"1024" max:"8192"`

	// Posts that arrive encrypted with triple DES, as old clients write them:
	// `allow` or `refuse`. Nothing is ever sent with it.
	Decrypt3DES string `mapstructure:"decrypt_3des" values:"refuse|allow"`
}

// Revocation says how it is found out whether a certificate has been revoked,
// and what follows from not knowing. Only certificates whose path ends in a
// trust anchor are asked about. A certificate that has been revoked is never
// used.
type Revocation struct {
	// `crl`, `ocsp`, or both in the order in which they are asked; the first
	// that answers decides. Empty: nobody is asked, and no_mechanism counts.
	Check []string `mapstructure:"check" values:"crl|ocsp"`

	// For certificates to encrypt to. A copy for somebody whose certificate
	// may not be used because the state is unknown waits; it is not given up
	// before queue.lifetime.
	Recipients RevocationPolicy `mapstructure:"recipients"`

	// For certificates of those who sign.
	Signers RevocationPolicy `mapstructure:"signers"`

	// Addresses to be asked in place of those that certificates name. The
	// first that fits counts. It is also how a server on this machine is
	// named: a certificate's own URL never leads to a loopback or link-local
	// address.
	URLMap []URLMapping `mapstructure:"url_map"`

	// HTTP proxy, as `http://proxy.example:3128`, through which CRLs and OCSP
	// responses are fetched. Empty: none, whatever the environment says. The
	// proxy must itself keep certificates' URLs off what they must not reach.
	Proxy string `mapstructure:"proxy"`
}

// RevocationPolicy says what follows from not knowing.
type RevocationPolicy struct {
	// No answer in date could be had: `allow`; `refuse`; or `grace`: the
	// certificate is used for some time.
	Unknown string `mapstructure:"unknown" values:"allow|grace|refuse"`

	// How long that time is: from the end of the last answer that said good,
	// or from the first attempt where there never was one.
	Grace Duration `mapstructure:"grace" min:"0s"`

	// The certificate names nobody who could be asked: `allow` or `refuse`.
	NoMechanism string `mapstructure:"no_mechanism" values:"allow|refuse"`
}

// URLMapping puts one address in the place of another.
type URLMapping struct {
	// Beginning of the address a certificate names, up to the end of a part of
	// it: `http://pki.corp.example` or `http://pki.corp.example/crl/`, or
	// `ldap:///` for all LDAP addresses without a host.
	From string `mapstructure:"from"`

	// What is put in its place; `http://`, `https://`, `ldap://` or `ldaps://`.
	To string `mapstructure:"to"`
}

// Directory is one LDAP directory in which certificates are looked up.
type Directory struct {
	// Its name, in resolver.order, the log and `cert explain`.
	Name string `mapstructure:"name"`

	// What kind of server it is; gives filter and attributes their defaults:
	// `openldap`, `active-directory`, `389ds`, or `custom`, which has none.
	Preset string `mapstructure:"preset" values:"openldap|active-directory|389ds|custom"`

	// Its servers, `ldaps://host`, `ldap://host` or `ldapi:///path`, asked in
	// this order.
	URLs []string `mapstructure:"urls"`

	// Finds the servers by DNS (SRV) instead of urls, and the base by what
	// their root says instead of base_dn. It needs exactly one domain in
	// domains. The servers must lie within it, are asked over TLS only, and
	// get no credentials.
	Discover bool `mapstructure:"discover"`

	// Says STARTTLS on `ldap://` before anything else.
	StartTLS bool `mapstructure:"starttls"`

	// PEM file with the authorities that vouch for the servers' certificates.
	// Empty: those of the system.
	CAFile string `mapstructure:"cafile"`

	// Allows `ldap://` without STARTTLS to a server that is not on this
	// machine: whoever sits between may put in certificates of his own, and
	// reads the bind password.
	Insecure bool `mapstructure:"insecure"`

	// Domains of the addresses this directory answers for. Empty: all.
	Domains []string `mapstructure:"domains"`

	// Name under which Sealist binds. Empty: it binds anonymously.
	BindDN string `mapstructure:"bind_dn"`

	// File with the password for bind_dn, a line end behind it taken away.
	BindPasswordFile string `mapstructure:"bind_password_file"`

	// Binds by SASL EXTERNAL: as whom the server takes client_cert, or, over
	// ldapi, the user that runs listd. Instead of bind_dn.
	BindExternal bool `mapstructure:"bind_external"`

	// PEM file with the certificate that Sealist shows the servers.
	ClientCert string `mapstructure:"client_cert"`

	// PEM file with its private key.
	ClientKey string `mapstructure:"client_key"`

	// Name that the servers' certificates have, where it is not the URL's
	// host.
	ServerName string `mapstructure:"server_name"`

	// Entry under which people are searched for.
	BaseDN string `mapstructure:"base_dn"`

	// How deep below base_dn: `sub`, everything; `one`, what stands directly
	// below it; or `base`, that entry alone.
	Scope string `mapstructure:"scope" values:"sub|one|base"`

	// Filter that finds the person of an address. `{addr}` stands for the
	// address, `{local}` and `{domain}` for its two sides; they are escaped.
	Filter string `mapstructure:"filter"`

	// Attributes that hold certificates, by their bare names without
	// `;binary`. All their values together are candidates; the order only
	// breaks ties.
	Attributes []string `mapstructure:"attributes"`

	// What ties a certificate to the address: `certificate`, it names the
	// address itself; or `entry`, a certificate that names no address at all
	// counts because it stands in that person's entry.
	AddressMatch string `mapstructure:"address_match" values:"certificate|entry"`

	// How long one question to one server may take, connecting included.
	Timeout Duration `mapstructure:"timeout" min:"100ms" max:"5m"`

	// How long of that connecting and binding may take. 0: half of it, 5s at
	// most.
	ConnectTimeout Duration `mapstructure:"connect_timeout" min:"0s" max:"5m"`

	// How long a connection may lie unused and be used again.
	IdleTimeout Duration `mapstructure:"idle_timeout" min:"1s" max:"1h"`
}

// Harvest is about certificates learnt from signed mail.
type Harvest struct {
	// Whether certificates are learnt from the signed mail lists receive, and
	// those learnt are used. What `listmaster cert import` took is used in any
	// case.
	Enabled bool `mapstructure:"enabled"`

	// How long one is kept after it was last seen.
	Expire Duration `mapstructure:"expire" min:"1d"`
}

// Files is the folder of PEM files named as Sympa names them.
type Files struct {
	// The folder: `user@domain`, `user@domain@sign` and `user@domain@enc` are
	// the files in it. A relative path counts from data_dir.
	Dir string `mapstructure:"dir"`
}

// Resolver says how the sources of certificates work together.
type Resolver struct {
	// The sources in the order in which they are asked: names of directories,
	// `harvest` (what was learnt from mail, and what was imported), `files`.
	// Empty: the directories as they stand, then harvest, then files.
	Order []string `mapstructure:"order"`

	// Which of a person's usable certificates a copy is encrypted to: `all` of
	// one kind of key, RSA before EC, so that each of his devices opens it;
	// `prefer-ec`, EC before RSA; `newest`; or `pinned`, only those that
	// `listmaster cert pin` tied to the address. Pinned certificates come
	// before every source in any case.
	Select string `mapstructure:"select" values:"all|newest|prefer-ec|pinned"`

	// Certificates of one person a copy is encrypted to at most, the newest
	// first.
	MaxCertificates int `mapstructure:"max_certificates" min:"1" max:"8"`

	// How long what a directory has for an address is used before it must be
	// asked again. Members' answers are fetched anew well before that, at
	// times that have nothing to do with posts.
	PositiveTTL Duration `mapstructure:"positive_ttl" min:"1m" max:"30d"`

	// The same for "there is none". Before a copy is withheld for it, a
	// directory whose answer is older than five minutes is asked once more.
	NegativeTTL Duration `mapstructure:"negative_ttl" min:"1m" max:"30d"`

	// How long beyond positive_ttl an answer in which something was found
	// stands in while the directory cannot be asked. "There is none" never
	// does: the copy waits.
	StaleIfError Duration `mapstructure:"stale_if_error" min:"0s" max:"90d"`

	// Takes a certificate that has expired where a member has no better one,
	// on lists that allow it, too.
	AllowExpired bool `mapstructure:"allow_expired"`

	// Octets of memory for what members' addresses resolved to; about 1 KB a
	// member.
	Memory int64 `mapstructure:"memory" min:"1048576" max:"8589934592"`
}

// Expiry says who is told that a certificate comes to its end. Owners get a
// digest and listmasters a report at every stage; of a certificate that has a
// newer one beside it nobody hears (docs/tasks.md).
type Expiry struct {
	// Days before the end at which people are told, each once, whatever the
	// order. 0 is the end itself. Empty: nobody is told.
	Stages []int `mapstructure:"stages" min:"0" max:"365"`

	// Whether the person whose certificate it is gets a mail, too.
	HolderMail HolderMail `mapstructure:"holder_mail"`
}

// HolderMail says when the person whose certificate comes to its end gets a
// mail, by where Sealist has the certificate from: `all`, at every stage;
// `last`, only at those of 3 days or less; or `none`.
type HolderMail struct {
	// Certificates learnt from signed mail, and imported ones.
	Harvest string `mapstructure:"harvest" values:"all|last|none"`

	// Those in the folder of PEM files.
	Files string `mapstructure:"files" values:"all|last|none"`

	// Those that `listmaster cert pin` tied to the address.
	Pinned string `mapstructure:"pinned" values:"all|last|none"`

	// Those that a directory publishes: its PKI will have told the person.
	Directory string `mapstructure:"directory" values:"all|last|none"`
}

// Words of HolderMail, and how many days before the end `last` begins.
const (
	HolderAll  = "all"
	HolderLast = "last"
	HolderNone = "none"
	LastDays   = 3
)

// Audit is about the record of who did what (docs/audit.md).
type Audit struct {
	// How long entries are kept.
	Keep Duration `mapstructure:"keep" min:"7d" max:"3650d"`
}

// Log says what is written to the log.
type Log struct {
	// `debug`, `info`, `warn` or `error`.
	Level string `mapstructure:"level" values:"debug|info|warn|error"`

	// `text`, or `json`: one object a line.
	Format string `mapstructure:"format" reload:"restart" values:"text|json"`
}

// Web is about HTTPS pages and JSON API.
type Web struct {
	// Where to listen: `host:port`, or `unix:/path` for a proxy on this machine.
	// Empty: no pages.
	Listen string `mapstructure:"listen" reload:"restart"`

	// Certificate to serve with. Without one the pages are served by plain HTTP,
	// on loopback or a socket only: a proxy in front speaks HTTPS.
	TLS TLSPair `mapstructure:"tls"`

	// Where people reach it from outside, as `https://lists.example.org`. Links in
	// mail begin with it.
	BaseURL string `mapstructure:"base_url"`

	// The address for logging in with a client certificate.
	Login WebLogin `mapstructure:"login"`

	// Networks of proxies whose X-Forwarded-For counts as the client's address.
	TrustedProxies []string `mapstructure:"trusted_proxies"`

	// File with a secret that a proxy shows in X-Sealist-Proxy. What it says of
	// the client's certificate counts only with it, or through a socket.
	ProxySecretFile string `mapstructure:"proxy_secret_file"`

	// How long a login lasts.
	Session Duration `mapstructure:"session"`
}

// WebLogin is where browsers are asked for a certificate: a port or host name
// of its own, so that nobody who only reads the pages is asked.
type WebLogin struct {
	// Where to listen, `host:port`. Empty: nowhere; a proxy may do it.
	Listen string `mapstructure:"listen" reload:"restart"`

	// Where people reach it from outside, as `https://login.lists.example.org`.
	URL string `mapstructure:"url"`

	// Certificate to serve with; that of the pages if empty.
	TLS TLSPair `mapstructure:"tls"`
}

// Metrics is about metrics and health.
type Metrics struct {
	// Address to serve /metrics, /healthz and /readyz on, over HTTP without
	// any login: `127.0.0.1:9090`. Empty: nowhere. Port 0 is any that is free;
	// the log names it.
	Listen string `mapstructure:"listen" reload:"restart"`

	// Allows an address that others than this machine reach. What is shown
	// names nobody and no list, but tells how much mail there is; let a
	// firewall, or a proxy with a login, keep it from the rest of the network.
	Insecure bool `mapstructure:"insecure" reload:"restart"`

	// Path of a unix socket that serves Go's profiles under /debug/pprof/, for
	// the user that runs listd alone: `/run/sealist/pprof.sock`. Empty: none.
	Pprof string `mapstructure:"pprof" reload:"restart"`
}

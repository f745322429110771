package config

// Config is the whole of sealist.yaml.
//
// The comments of the fields in this file and in types_*.go are the configuration reference
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

package config

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

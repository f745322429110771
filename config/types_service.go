package config

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

package config

import "time"

// day is what `d` stands for in a duration.
const day = Duration(24 * time.Hour)

// Default returns what an empty file means: SMTP on loopback, SQLite under the
// data folder, a relay on loopback, no directory, and nobody trusted.
func Default() *Config {
	return &Config{
		DataDir: "/var/lib/sealist",
		SMTP: SMTP{
			Listen:          []string{"smtp://127.0.0.1:2525"},
			TrustedNetworks: []string{"127.0.0.0/8", "::1/128"},
			MaxMessageBytes: 26214400,
			Limits: Limits{
				Connections: 256, Recipients: 100, Memory: 64 << 20, IPv4Prefix: 24, IPv6Prefix: 64,
				ClientNetwork:     Allowance{Connections: 20, Messages: 600, Recipients: 3000},
				ReversePathDomain: Allowance{Connections: 100, Messages: 6000, Recipients: 60000},
			},
		},
		Relay: Relay{Address: "smtp://127.0.0.1:25", TLS: "opportunistic", Connections: 8},
		Queue: Queue{RetryMin: Duration(time.Minute), RetryMax: Duration(time.Hour), Lifetime: 5 * day, Keep: 400 * day, Memory: 64 << 20},
		Store: Store{URL: "sqlite:sealist.db"},
		Trust: Trust{
			Algorithms: Algorithms{SHA1Signatures: "refuse", RSAMinBits: 2048, Decrypt3DES: "allow"},
			Revocation: Revocation{
				Check:      []string{"crl", "ocsp"},
				Recipients: RevocationPolicy{Unknown: "grace", Grace: 7 * day, NoMechanism: "allow"},
				Signers:    RevocationPolicy{Unknown: "grace", Grace: day, NoMechanism: "allow"},
			},
			MaxSigningAge: 7 * day, CrossPostWindow: day,
		},
		Harvest: Harvest{Enabled: true, Expire: 400 * day},
		Files:   Files{Dir: "X509-user-certs"},
		Resolver: Resolver{
			Select:          "all",
			MaxCertificates: 8,
			PositiveTTL:     day,
			NegativeTTL:     Duration(time.Hour),
			StaleIfError:    7 * day,
			Memory:          64 << 20,
		},
		Web:     Web{Session: Duration(12 * time.Hour)},
		Expiry:  Expiry{Stages: []int{30, 14, 3, 0}, HolderMail: HolderMail{Harvest: "all", Files: "all", Pinned: "all", Directory: "last"}},
		Audit:   Audit{Keep: 400 * day},
		Robot:   "sealist",
		Lang:    "en",
		Notices: Notices{Dir: "templates", UnsignedAfter: never},
		Log:     Log{Level: "info", Format: "text"},
	}
}

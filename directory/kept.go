package directory

import "time"

// Kept is a certificate that the database keeps for somebody.
type Kept struct {
	Address      string    // whose it is
	Certificate  []byte    // DER
	Chain        [][]byte  // DER of intermediate certificates that came with it
	Source       string    // how it came: "harvest", "import"
	MessageID    string    // harvest: of the newest mail it was in
	Signer       string    // harvest: fingerprint of the certificate that vouched for it
	Capabilities []byte    // DER of SMIMECapabilities from a signature that verified; nil: none known
	Seen         time.Time // when that mail was received

	// CapabilitiesAt is when the mail with the Capabilities was signed, by its signing time if it has one.
	CapabilitiesAt time.Time
}

// KeptAnswer is an answer that a cache keeps, with the moment from which it is worth asking the source again.
type KeptAnswer struct {
	Answer
	Due time.Time
}

package trust

// Reason is the one word that says why something does not count. The empty Reason means that nothing speaks against it.
// The words are a closed list, because they are printed by `listmaster message inspect --json`.
type Reason string

// Reasons about a message's signature.
const (
	Unsigned                Reason = "unsigned"
	NotOutermost            Reason = "not_outermost"             // a signed part beside or below other MIME parts
	SignedOutsideEncryption Reason = "signed_outside_encryption" // RFC 8551 section 3.7: it names no author
	Altered                 Reason = "altered"
	FromAmbiguous           Reason = "from_ambiguous"
	SigningTime             Reason = "signing_time"
	Replay                  Reason = "replay"
	NotAddressed            Reason = "not_addressed"
	Malformed               Reason = "malformed"
	TooLarge                Reason = "too_large"
)

// Reasons about a certificate.
const (
	UnsupportedAlgorithm Reason = "unsupported_algorithm" // a kind of key or signature Sealist does not know
	WeakAlgorithm        Reason = "weak_algorithm"        // known, and not good enough
	UnknownCA            Reason = "unknown_ca"            // no path leads to a trust anchor
	BadPath              Reason = "bad_path"              // a path leads there but breaks a rule
	NotYetValid          Reason = "not_yet_valid"
	Expired              Reason = "expired"
	WrongUsage           Reason = "wrong_usage" // key usage or extended key usage
	Revoked              Reason = "revoked"
	RevocationUnknown    Reason = "revocation_unknown"
	NoAddress            Reason = "no_address"       // names no e-mail address at all
	AddressMismatch      Reason = "address_mismatch" // names others only
)

// Reasons that only the resolver gives, about a certificate found for an address.
const (
	AccountDisabled Reason = "account_disabled"
	NotAPerson      Reason = "not_a_person" // the entry is a contact's, a group's or a computer's
	Blocked         Reason = "blocked"
)

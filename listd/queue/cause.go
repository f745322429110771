package queue

// Words under which results are counted, beside those of the Renderer. A copy
// that was relayed has none.
const (
	CauseRefused     = "refused"      // by the next hop, for good
	CauseUnsendable  = "unsendable"   // it can never be sent, as too large for the next hop
	CauseLifetime    = "lifetime"     // given up
	CausePutOff      = "put_off"      // by the next hop
	CauseDomainRests = "domain_rests" // its domain was put off, and rests
	CauseNextHop     = "next_hop"     // out of reach, or in trouble
	CauseInternal    = "internal"     // the database, or a fault of ours
)

// Causes are these words.
func Causes() []string {
	return []string{"", CauseRefused, CauseUnsendable, CauseLifetime, CausePutOff, CauseDomainRests, CauseNextHop, CauseInternal}
}

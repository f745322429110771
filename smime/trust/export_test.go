package trust

// Cached returns how many verdicts are kept.
func (p *Policy) Cached() int {
	p.cache.mu.Lock()
	defer p.cache.mu.Unlock()
	return len(p.cache.young) + len(p.cache.old)
}

// WithinMail is withinMail.
var WithinMail = withinMail

// SameName is sameName.
var SameName = sameName

package resolver

// Kept returns how many recipients are kept.
func (r *Resolver) Kept() int {
	r.recipients.mu.Lock()
	defer r.recipients.mu.Unlock()
	return len(r.recipients.young) + len(r.recipients.old)
}

package resolver

// Remembered returns how many results are remembered.
func (r *Resolver) Remembered() int { return r.memory.len() }

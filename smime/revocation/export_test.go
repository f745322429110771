package revocation

// Busy tells whether something is being fetched, or came and was not looked at yet.
func (c *Checker) Busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lists {
		if l.job != nil {
			return true
		}
	}
	for _, a := range c.answers {
		if a.job != nil {
			return true
		}
	}
	return false
}

// Held is about how much memory the lists take.
func (c *Checker) Held() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// PermittedName is what a proxy may be asked for.
var PermittedName = permittedName

// Settle returns when what counts has been given to the shelf.
func (c *Checker) Settle() { c.shelving.Wait() }

package relay

import (
	"context"
	"slices"
	"time"
)

// enter waits until one more connection may be open.
func (r *Relay) enter(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.active.Add(1)
	r.mu.Unlock()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		r.active.Done()
		return ctx.Err()
	}
}

func (r *Relay) leave() {
	<-r.slots
	r.active.Done()
}

// get returns the connection that was used last, or a new one.
func (r *Relay) get(ctx context.Context) (*conn, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		c.timer.Stop()
		c.reused, c.heard = true, false
		return c, nil
	}
	r.mu.Unlock()
	c, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.heard = false
	return c, nil
}

// put keeps a connection in good order for the next Send, or takes leave of it.
func (r *Relay) put(c *conn) {
	r.mu.Lock()
	if r.closed || c.transactions >= r.c.MaxTransactions || c.in.Buffered() > 0 {
		r.mu.Unlock()
		c.quit()
		return
	}
	c.timer = time.AfterFunc(r.c.IdleTimeout, func() {
		if r.forget(c) {
			c.quit()
		}
	})
	r.idle = append(r.idle, c)
	r.mu.Unlock()
}

// forget takes c off the idle ones; false if somebody else did.
func (r *Relay) forget(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.idle, c)
	if i < 0 {
		return false
	}
	r.idle = slices.Delete(r.idle, i, i+1)
	return true
}

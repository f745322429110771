package relay

import (
	"context"
	"slices"
	"time"
)

// enter waits until one more connection may be open.
func (h *hop) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hop) leave() { <-h.slots }

// close keeps no connection from now on, and takes leave of the idle ones.
func (h *hop) close() {
	h.mu.Lock()
	h.closed = true
	idle := h.idle
	h.idle = nil
	h.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
}

// get returns the connection that was used last, or a new one.
func (h *hop) get(ctx context.Context) (*conn, error) {
	h.mu.Lock()
	if n := len(h.idle); n > 0 {
		c := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		c.timer.Stop()
		c.reused, c.heard = true, false
		return c, nil
	}
	h.mu.Unlock()
	c, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.heard = false
	return c, nil
}

// put keeps a connection in good order for the next Send, or takes leave of it.
func (h *hop) put(c *conn) {
	h.mu.Lock()
	if h.closed || c.transactions >= h.c.MaxTransactions || c.in.Buffered() > 0 {
		h.mu.Unlock()
		c.quit()
		return
	}
	c.timer = time.AfterFunc(h.c.IdleTimeout, func() {
		if h.forget(c) {
			c.quit()
		}
	})
	h.idle = append(h.idle, c)
	h.mu.Unlock()
}

// forget takes c off the idle ones; false if somebody else did.
func (h *hop) forget(c *conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.idle, c)
	if i < 0 {
		return false
	}
	h.idle = slices.Delete(h.idle, i, i+1)
	return true
}

package resolver

import (
	"crypto/x509"
	"sync"

	"github.com/sealist/sealist/smime/cms"
)

// recipients keeps certificates prepared for sealing, by fingerprint. It has two generations; when the young one is full
// it becomes the old one, whose forgotten members go.
type recipients struct {
	o          cms.RecipientOptions
	mu         sync.Mutex
	size       int // of one generation
	young, old map[string]*cms.Recipient
}

func newRecipients(size int, o cms.RecipientOptions) *recipients {
	return &recipients{o: o, size: (size + 1) / 2, young: map[string]*cms.Recipient{}}
}

func (c *recipients) get(fingerprint string, cert *x509.Certificate) (*cms.Recipient, error) {
	c.mu.Lock()
	r, ok := c.young[fingerprint]
	if !ok {
		if r, ok = c.old[fingerprint]; ok {
			c.add(fingerprint, r)
		}
	}
	c.mu.Unlock()
	if ok {
		return r, nil
	}
	r, err := cms.NewRecipient(cert, c.o)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(fingerprint, r)
	return r, nil
}

// add wants the lock.
func (c *recipients) add(fingerprint string, r *cms.Recipient) {
	if len(c.young) >= c.size {
		c.young, c.old = map[string]*cms.Recipient{}, c.young
	}
	c.young[fingerprint] = r
}

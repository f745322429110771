package api

import (
	"net/http"

	"github.com/sealist/sealist/listd/admin"
)

// Pin is the body that ties a certificate in the database to an address.
type Pin struct {
	Address     string `json:"address"`
	Fingerprint string `json:"fingerprint"`
}

// Block is the body that blocks a certificate.
type Block struct {
	Reason string `json:"reason,omitempty"`
}

// Flush is the body that empties the cache.
type Flush struct {
	Addresses []string `json:"addresses,omitempty"`
	Source    string   `json:"source,omitempty"`
	All       bool     `json:"all,omitempty"`
}

func certificates() []route {
	return []route{
		get("/certificates", "The certificates in the database (cert ls)", func(c *call) ([]admin.KeptCertificate, error) {
			return c.KeptCertificates(c.Context(), admin.CertificateQuery{Address: c.text("address"), Source: c.text("source"), State: c.text("state")})
		}, "address", "source", "state"),
		get("/certificates/{what}", "Those of a fingerprint or an address (cert show)", func(c *call) ([]admin.KeptCertificate, error) {
			return c.KeptCertificate(c.Context(), c.PathValue("what"))
		}),
		get("/explain/{address}", "What every source has for an address; of oneself, or for a listmaster (cert explain)", func(c *call) (admin.Explanation, error) {
			return c.ExplainAddress(c.Context(), c.PathValue("address"), c.flag("fresh"))
		}, "fresh"),
		act(http.MethodPost, "/pins", admin.ScopeServer, "Use a certificate for an address before all others (cert pin)", func(c *call, p Pin) (admin.Marked, error) {
			return c.Pin(c.Context(), p.Address, p.Fingerprint)
		}),
		act(http.MethodDelete, "/pins/{address}", admin.ScopeServer, "Take that back (cert unpin)", func(c *call, _ none) (Count, error) {
			n, err := c.Unpin(c.Context(), c.PathValue("address"))
			return Count{n}, err
		}),
		act(http.MethodPut, "/blocks/{fingerprint}", admin.ScopeServer, "Use a certificate for nobody (cert block)", func(c *call, b Block) (admin.Marked, error) {
			return c.Block(c.Context(), c.PathValue("fingerprint"), b.Reason)
		}),
		act(http.MethodDelete, "/blocks/{fingerprint}", admin.ScopeServer, "Take that back (cert unblock)", func(c *call, _ none) (Count, error) {
			n, err := c.Unblock(c.Context(), c.PathValue("fingerprint"))
			return Count{n}, err
		}),
		get("/keys", "The keys of all lists (key ls)", func(c *call) ([]admin.KeyDetails, error) { return c.Keys(c.Context(), "") }),
		get("/cache", "What is kept of directories' answers (cache ls)", func(c *call) ([]admin.CachedAnswer, error) {
			return c.Cache(c.Context(), admin.CacheFilter{Source: c.text("source"), State: c.text("state")})
		}, "source", "state"),
		get("/cache/stats", "How much that is (cache stat)", func(c *call) ([]admin.CacheStat, error) { return c.CacheStats(c.Context()) }),
		act(http.MethodPost, "/cache/flush", admin.ScopeServer, "Forget it (cache flush)", func(c *call, f Flush) (Count, error) {
			n, err := c.FlushCache(c.Context(), f.Addresses, f.Source, f.All)
			return Count{n}, err
		}),
		get("/crls", "The CRLs that are known (crl ls)", func(c *call) ([]admin.CRL, error) { return c.CRLs(c.Context()) }),
		act(http.MethodPost, "/crls/fetch", admin.ScopeServer, "Fetch all of them now (crl fetch)", func(c *call, _ none) ([]admin.CRL, error) { return c.FetchCRLs(c.Context(), "") }),
	}
}

package api

import (
	"net/http"
	"time"

	"github.com/sealist/sealist/listd/admin"
)

// Rejection is the body that rejects a held post.
type Rejection struct {
	Reason string `json:"reason,omitempty"` // what its author is told, in one line
}

// Retry is the body that tries again.
type Retry struct {
	What string `json:"what,omitempty"` // a list's address or a post; empty: everything
}

// Pause is the body that lets copies wait.
type Pause struct {
	List   string `json:"list,omitempty"` // empty: all lists
	Paused bool   `json:"paused"`
}

func posts() []route {
	return []route{
		get("/moderation", "The posts that wait for whoever asks (moderation ls)", func(c *call) ([]admin.QueueItem, error) { return c.Held(c.Context(), "") }),
		act(http.MethodPost, "/moderation/{id}/approve", admin.ScopeModerate, "Let a held post be distributed (moderation approve)", func(c *call, _ none) (Became, error) {
			return became(c, "approved", c.Approve(c.Context(), c.PathValue("id")))
		}),
		act(http.MethodPost, "/moderation/{id}/reject", admin.ScopeModerate, "Decide against a held post (moderation reject)", func(c *call, r Rejection) (Became, error) {
			return became(c, "rejected", c.Reject(c.Context(), c.PathValue("id"), r.Reason))
		}),
		get("/queue", "The posts of all lists, for listmasters (queue ls)", func(c *call) ([]admin.QueueItem, error) {
			return c.Queue(c.Context(), admin.QueueFilter{State: c.text("state"), All: c.flag("all")})
		}, "state", "all"),
		get("/queue/{id}", "One post with what became of each copy, for listmasters (queue show)", func(c *call) (admin.QueueDetails, error) {
			return c.Post(c.Context(), c.PathValue("id"), c.text("state"))
		}, "state"),
		act(http.MethodPost, "/queue/{id}/cancel", admin.ScopeServer, "Call off the copies that have not left (queue cancel)", func(c *call, _ none) (admin.Cancelled, error) {
			return c.Person.Cancel(c.Context(), c.PathValue("id"))
		}),
		act(http.MethodPost, "/queue/retry", admin.ScopeServer, "Try again now what waits for its next attempt (queue retry)", func(c *call, r Retry) (admin.Retried, error) {
			return c.Retry(c.Context(), r.What)
		}),
		get("/queue/pauses", "Which lists' copies wait (queue pause)", func(c *call) ([]admin.Paused, error) { return c.Pauses(c.Context()) }),
		act(http.MethodPost, "/queue/pauses", admin.ScopeServer, "Let copies wait, or not any more (queue pause, queue resume)", func(c *call, p Pause) ([]admin.Paused, error) {
			if err := c.Pause(c.Context(), p.List, !p.Paused); err != nil {
				return nil, err
			}
			return c.Pauses(c.Context())
		}),
		get("/quarantine", "The posts that could not be processed (quarantine ls)", func(c *call) ([]admin.QueueItem, error) { return c.Quarantined(c.Context()) }),
		act(http.MethodPost, "/quarantine/{id}/release", admin.ScopeServer, "Process a post again (quarantine release)", func(c *call, _ none) (Became, error) {
			return became(c, "released", c.Release(c.Context(), c.PathValue("id"), false))
		}),
		act(http.MethodDelete, "/quarantine/{id}", admin.ScopeServer, "Take a post away (quarantine rm)", func(c *call, _ none) (Became, error) {
			return became(c, "removed", c.Release(c.Context(), c.PathValue("id"), true))
		}),
		get("/audit", "The audit log, for listmasters (audit ls)", func(c *call) ([]admin.AuditEntry, error) {
			f, err := c.auditFilter()
			if err != nil {
				return nil, err
			}
			return c.Audit(c.Context(), f)
		}, auditParameters...),
	}
}

var auditParameters = []string{"actor", "action", "object", "post", "copies", "since", "until", "newest"}

// newest is how many entries of the audit log are looked at unless the request
// says how many.
const newest = 1000

func (c *call) auditFilter() (admin.AuditFilter, error) {
	f := admin.AuditFilter{Actor: c.text("actor"), Action: c.text("action"), Object: c.text("object"), Post: c.text("post"), Copies: c.flag("copies")}
	if f.Limit = c.number("newest", newest); f.Limit < 1 {
		return f, &admin.Error{Kind: admin.Usage, What: "newest is a number from 1"}
	}
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := c.text(name)
		if text == "" {
			continue
		}
		var err error
		if *to, err = time.Parse(time.RFC3339, text); err != nil {
			return f, &admin.Error{Kind: admin.Usage, What: name + " is a moment, as 2006-01-02T15:04:05Z", Err: err}
		}
	}
	return f, nil
}

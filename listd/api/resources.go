package api

import (
	"net/http"
	"slices"

	"github.com/sealist/sealist/listd/admin"
)

// routes are all resources. A word in braces is one segment of the path.
func routes() []route {
	return slices.Concat(persons(), lists(), members(), posts(), certificates(), servers())
}

// Outcome is what a request came to, in words for whoever asked.
type Outcome struct {
	Text  string   `json:"text"`
	Lines []string `json:"lines,omitempty"`
}

func outcome(done admin.Done, err error) (Outcome, error) {
	return Outcome{done.Text, done.Lines}, err
}

// Became says what a post, list or token became, as `moderation approve --json`
// does.
type Became struct {
	ID     string `json:"id"`
	Became string `json:"became"`
}

// Count says how many there were.
type Count struct {
	Count int `json:"count"`
}

// Me is whom a token is for.
type Me struct {
	admin.Self
	Token admin.APIToken `json:"token"`
}

func persons() []route {
	return []route{
		get("/me", "Whom the token is for, and what he is here", func(c *call) (Me, error) {
			self, err := c.Self(c.Context())
			return Me{self, c.token}, err
		}),
		get("/me/certificates", "Which certificates would be used for him, and why (cert explain)", func(c *call) (admin.Explanation, error) {
			return c.Certificates(c.Context())
		}),
		get("/tokens", "His own tokens; all for a listmaster (token ls)", func(c *call) ([]admin.APIToken, error) { return c.Tokens(c.Context()) }),
		act(http.MethodDelete, "/tokens/{id}", admin.ScopeWrite, "End a token (token rm)", func(c *call, _ none) (Became, error) {
			return became(c, "removed", c.RemoveToken(c.Context(), c.PathValue("id")))
		}),
	}
}

func became(c *call, what string, err error) (Became, error) {
	return Became{c.PathValue("id"), what}, err
}

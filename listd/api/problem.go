package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sealist/sealist/listd/admin"
)

// problem is an error as RFC 9457 has it, with the next step beside it.
type problem struct {
	Type   string `json:"type"` // about:blank: the status says it
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do next
}

// write answers with a problem.
func write(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	octets, err := json.Marshal(p)
	if err != nil {
		octets = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(octets) // whoever has gone does not read it
}

// panicKind names the kind of a panic's value, which may quote anything itself.
func panicKind(p any) string { return fmt.Sprintf("%T", p) }

// refuse puts an error into a problem. This is the one table of statuses. What
// failed inside stays in the log.
func (s *Server) refuse(c *call, r route, err error) {
	var large *http.MaxBytesError
	e := admin.Explain(err)
	p := problem{Detail: e.What, Hint: e.Hint}
	switch {
	case errors.Is(err, errToken):
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="sealist"`)
		p = problem{Status: http.StatusUnauthorized, Detail: "A token is needed, one that has not expired and was not removed.", Hint: "`listmaster token add --for ADDRESS` makes one."}
	case errors.Is(err, errScope):
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="sealist", error="insufficient_scope", scope="`+string(r.scope)+`"`)
		p = problem{Status: http.StatusForbidden, Detail: "The token is not for this: it has not the scope " + string(r.scope) + "."}
	case errors.Is(err, errOften):
		c.w.Header().Set("Retry-After", "60")
		p = problem{Status: http.StatusTooManyRequests, Detail: "Too many requests.", Hint: "Wait a minute."}
	case errors.As(err, &large):
		p = problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("The body has more than %d octets.", large.Limit)}
	case errors.Is(err, errMediaType):
		p = problem{Status: http.StatusUnsupportedMediaType, Detail: "The body has to be " + r.takes + "."}
	case errors.Is(err, errBody):
		p = problem{Status: http.StatusBadRequest, Detail: "The body cannot be read as " + r.takes + " of this resource.", Hint: Base + "/openapi.json has its fields."}
	case errors.Is(err, admin.ErrRules):
		p.Status = http.StatusForbidden
	case admin.IsNotFound(err):
		p.Status = http.StatusNotFound
	case e.Kind == admin.Usage:
		p.Status = http.StatusUnprocessableEntity
	case e.Kind == admin.Refused:
		p.Status = http.StatusConflict
	default:
		s.Log.Error("a request to the API failed", "route", r.method+" "+r.path, "error", err)
		c.w.Header().Set("Retry-After", "60")
		p = problem{Status: http.StatusServiceUnavailable, Detail: "The server cannot do this now.", Hint: "Try again later; its log says why."}
	}
	write(c.w, p)
}

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"

	"github.com/sealist/sealist/listd/admin"
)

// Media types.
const (
	mediaJSON    = "application/json"
	mediaCSV     = "text/csv"
	mediaMessage = "message/rfc822"
)

// How large bodies may be, in octets.
const (
	maxBody    = 64 << 10
	maxMembers = 8 << 20
	maxMessage = 25 << 20
)

// page is how many entries an answer has, unless the request says fewer.
const page = 1000

// route is one thing that can be asked for. What the OpenAPI document says of it
// is made of the same value that the handler is.
type route struct {
	method, path string
	scope        admin.Scope
	summary      string
	query        []string     // parameters that it knows, besides limit and offset
	takes        string       // media type of the body; empty: none
	body         reflect.Type // of a JSON body
	gives        string       // media type of the answer
	answer       reflect.Type // of a JSON answer
	most         int64        // octets of the body
	serve        func(*call) error
}

// get makes a route that shows something.
func get[T any](path, summary string, show func(*call) (T, error), query ...string) route {
	return route{method: http.MethodGet, path: path, scope: admin.ScopeRead, summary: summary, query: query, gives: mediaJSON, answer: reflect.TypeFor[T](), most: maxBody,
		serve: func(c *call) error {
			answer, err := show(c)
			if err != nil {
				return err
			}
			return c.reply(answer)
		}}
}

// none is the body of what takes none, or the answer of what says none.
type none struct{}

// act makes a route that changes something. B is its JSON body; none if it takes
// none.
func act[B, T any](method, path string, scope admin.Scope, summary string, do func(*call, B) (T, error), query ...string) route {
	r := route{method: method, path: path, scope: scope, summary: summary, query: query, gives: mediaJSON, answer: reflect.TypeFor[T](), most: maxBody}
	if reflect.TypeFor[B]() != reflect.TypeFor[none]() {
		r.takes, r.body = mediaJSON, reflect.TypeFor[B]()
	}
	r.serve = func(c *call) error {
		var body B
		if r.takes != "" {
			if err := c.read(&body); err != nil {
				return err
			}
		}
		answer, err := do(c, body)
		if err != nil {
			return err
		}
		return c.reply(answer)
	}
	return r
}

// octets makes a route that takes something that is not JSON.
func octets[T any](path string, scope admin.Scope, summary, media string, most int64, do func(*call, io.Reader) (T, error), query ...string) route {
	return route{method: http.MethodPost, path: path, scope: scope, summary: summary, query: query, takes: media, gives: mediaJSON, answer: reflect.TypeFor[T](), most: most,
		serve: func(c *call) error {
			if !c.is(media) {
				return errMediaType
			}
			answer, err := do(c, c.Body)
			if err != nil {
				return err
			}
			return c.reply(answer)
		}}
}

// is tells whether the body says to be of a media type.
func (c *call) is(media string) bool {
	given, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	return err == nil && given == media
}

// read reads a JSON body: one value, with no field that is not known.
func (c *call) read(body any) error {
	if !c.is(mediaJSON) {
		return errMediaType
	}
	d := json.NewDecoder(c.Body)
	d.DisallowUnknownFields()
	err := d.Decode(body)
	if err == nil && d.Decode(new(none)) != io.EOF {
		return errBody
	}
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return errBody // the decoder's words may quote the body
	}
	return err
}

// reply answers with JSON; a slice a page at a time.
func (c *call) reply(answer any) error {
	v := reflect.ValueOf(answer)
	if v.Kind() == reflect.Slice {
		from, limit := c.number("offset", 0), c.number("limit", page)
		if from < 0 || limit < 1 {
			return &admin.Error{Kind: admin.Usage, What: "limit is a number from 1, offset one from 0"}
		}
		from, limit = min(from, v.Len()), min(limit, page)
		to := min(from+limit, v.Len())
		if to < v.Len() { // RFC 8288
			next := *c.URL
			q := next.Query()
			q.Set("offset", strconv.Itoa(to))
			next.RawQuery = q.Encode()
			c.w.Header().Set("Link", "<"+next.RequestURI()+`>; rel="next"`)
		}
		if answer = v.Slice(from, to).Interface(); to == from {
			answer = []none{} // and not null
		}
	}
	c.w.Header().Set("Content-Type", mediaJSON)
	return admin.WriteJSON(c.w, answer)
}

// number reads a parameter; -1 if it is none.
func (c *call) number(name string, otherwise int) int {
	text := c.URL.Query().Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// text is a parameter of the query.
func (c *call) text(name string) string { return c.URL.Query().Get(name) }

// flag is a parameter that is true or not.
func (c *call) flag(name string) bool { return c.URL.Query().Get(name) == "true" }

// knows refuses a parameter that a route does not know: a misspelt filter would
// show everything.
func (r route) knows(q url.Values) error {
	for name := range q {
		if name == "limit" || name == "offset" {
			continue
		}
		known := false
		for _, k := range r.query {
			known = known || k == name
		}
		if !known {
			return &admin.Error{Kind: admin.Usage, What: fmt.Sprintf("%.40q is no parameter of this", name), Hint: Base + "/openapi.json tells which there are"}
		}
	}
	return nil
}

package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// encoded is what is kept of an answer: what the source has for the address. How it was asked is not.
type encoded struct {
	Candidates []Candidate  `json:"c,omitempty"`
	Helpers    [][]byte     `json:"h,omitempty"`
	Unreadable []Unreadable `json:"u,omitempty"`
	Referrals  []string     `json:"r,omitempty"`
	Notes      []string     `json:"n,omitempty"`
}

// Encode gives what a cache keeps of an answer. Two answers with the same content have the same octets, in whatever order
// a server gave its values. Only an answer without an outage can be kept.
func (a Answer) Encode() ([]byte, error) {
	if a.Err != nil && !errors.Is(a.Err, ErrNotFound) {
		return nil, fmt.Errorf("an outage is not kept: %w", a.Err)
	}
	e := encoded{slices.Clone(a.Candidates), slices.Clone(a.Helpers), slices.Clone(a.Unreadable), slices.Clone(a.Referrals), slices.Clone(a.Notes)}
	for i := range e.Candidates {
		e.Candidates[i].Origin.Server = "" // of several that have the same
	}
	for i := range e.Unreadable {
		e.Unreadable[i].Origin.Server = ""
	}
	sortBy(e.Candidates)
	sortBy(e.Helpers)
	sortBy(e.Unreadable)
	slices.Sort(e.Referrals)
	slices.Sort(e.Notes)
	return json.Marshal(e)
}

// sortBy orders values by what they look like when they are kept.
func sortBy[T any](values []T) {
	if len(values) < 2 {
		return
	}
	type shown struct {
		value T
		text  []byte
	}
	all := make([]shown, len(values))
	for i, v := range values {
		text, _ := json.Marshal(v)
		all[i] = shown{v, text}
	}
	slices.SortFunc(all, func(a, b shown) int { return bytes.Compare(a.text, b.text) })
	for i, s := range all {
		values[i] = s.value
	}
}

// DecodeAnswer is the inverse of Encode. An answer in which nothing was found is ErrNotFound.
func DecodeAnswer(octets []byte) (Answer, error) {
	var e encoded
	if err := json.Unmarshal(octets, &e); err != nil {
		return Answer{}, fmt.Errorf("a kept answer cannot be read: %w", err)
	}
	a := Answer{Candidates: e.Candidates, Helpers: e.Helpers, Unreadable: e.Unreadable, Referrals: e.Referrals, Notes: e.Notes}
	if len(a.Candidates)+len(a.Unreadable) == 0 {
		a.Err = ErrNotFound
	}
	return a, nil
}

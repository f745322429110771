package api

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
)

// NewList is the body that makes a list.
type NewList struct {
	Address     string `json:"address"`
	Description string `json:"description,omitempty"`
	Send        string `json:"send,omitempty"` // scenario
}

// ListChange is a list after a change, with what its owner may not have thought
// of.
type ListChange struct {
	List     admin.ListDetails `json:"list"`
	Warnings []string          `json:"warnings"`
}

func changed(d admin.ListDetails, warnings []string, err error) (ListChange, error) {
	if warnings == nil {
		warnings = []string{}
	}
	return ListChange{d, warnings}, err
}

// Subscription is the body that subscribes.
type Subscription struct {
	Name string `json:"name,omitempty"`
}

// Reception is the body that changes a subscription.
type Reception struct {
	Mode string `json:"mode"` // mail, not_me, nomail, digest, notice, conceal, noconceal
}

func lists() []route {
	const one = "/lists/{list}"
	return []route{
		get("/lists", "The lists that one may know of", func(c *call) ([]admin.ListEntry, error) { return c.Lists(c.Context()) }),
		act(http.MethodPost, "/lists", admin.ScopeServer, "Make a list without a key (list create)", func(c *call, n NewList) (ListChange, error) {
			return changed(c.CreateList(c.Context(), admin.NewList{Address: n.Address, Description: n.Description, Send: n.Send}))
		}),
		get(one, "What one may see of a list", func(c *call) (admin.ListEntry, error) { return c.List(c.Context(), c.list()) }),
		act(http.MethodDelete, one, admin.ScopeServer, "Remove a list (list rm)", func(c *call, _ none) (Became, error) {
			return Became{c.list(), "removed"}, c.RemoveList(c.Context(), c.list())
		}),
		get(one+"/settings", "A list with its settings, for its owners (list show)", func(c *call) (admin.ListDetails, error) {
			return c.Settings(c.Context(), c.list())
		}),
		act(http.MethodPatch, one+"/settings", admin.ScopeWrite, "Change settings: all of them or none (list set)", func(c *call, set map[string]string) (ListChange, error) {
			var changes [][2]string
			for _, name := range slices.Sorted(maps.Keys(set)) {
				changes = append(changes, [2]string{name, set[name]})
			}
			return changed(c.Set(c.Context(), c.list(), changes))
		}),
		act(http.MethodPut, one+"/subscription", admin.ScopeWrite, "Subscribe, as the list's scenario allows", func(c *call, s Subscription) (Outcome, error) {
			return outcome(c.Subscribe(c.Context(), c.list(), s.Name))
		}),
		act(http.MethodPatch, one+"/subscription", admin.ScopeWrite, "Change how posts come, or whether others see it", func(c *call, r Reception) (Outcome, error) {
			return outcome(c.Receive(c.Context(), c.list(), r.Mode))
		}),
		act(http.MethodDelete, one+"/subscription", admin.ScopeWrite, "Leave a list", func(c *call, _ none) (Outcome, error) {
			return outcome(c.Unsubscribe(c.Context(), c.list()))
		}),
		get(one+"/keys", "A list's keys, for its owners (key ls)", func(c *call) ([]admin.KeyDetails, error) { return c.Keys(c.Context(), c.list()) }),
		get(one+"/reach", "Whose certificates are usable, for its owners (cert explain --list); within is a time, as 720h", func(c *call) (admin.ListReach, error) {
			var within time.Duration
			if text := c.text("within"); text != "" {
				var err error
				if within, err = time.ParseDuration(text); err != nil {
					return admin.ListReach{}, &admin.Error{Kind: admin.Usage, What: "within is a time, as 720h", Err: err}
				}
			}
			return c.Reach(c.Context(), c.list(), within)
		}, "within"),
		get(one+"/queue", "What is in a list's queue, for its owners (queue ls)", func(c *call) ([]admin.QueueItem, error) {
			return c.Queue(c.Context(), admin.QueueFilter{List: c.list(), State: c.text("state"), All: c.flag("all")})
		}, "state", "all"),
		get(one+"/audit", "A list's audit log, for its owners (audit ls)", func(c *call) ([]admin.AuditEntry, error) {
			f, err := c.auditFilter()
			if err != nil {
				return nil, err
			}
			f.List = c.list()
			return c.Audit(c.Context(), f)
		}, auditParameters...),
		get(one+"/moderation", "The posts that wait for a list's editors (moderation ls)", func(c *call) ([]admin.QueueItem, error) {
			return c.Held(c.Context(), c.list())
		}),
	}
}

// list is the list that the path names.
func (c *call) list() string { return c.PathValue("list") }

// People is the body that puts people on a list.
type People struct {
	Addresses []string `json:"addresses"`
	Role      string   `json:"role,omitempty"` // member, owner, editor
}

// MemberChange is the body that changes one person.
type MemberChange struct {
	Role      string  `json:"role,omitempty"` // in which; member if empty
	Name      *string `json:"name,omitempty"`
	Reception *string `json:"reception,omitempty"`
	Suspended *bool   `json:"suspended,omitempty"`
}

func (m MemberChange) change() (c admin.MemberChange) {
	if m.Name != nil {
		c.Name, c.SetName = *m.Name, true
	}
	if m.Reception != nil {
		c.Reception, c.SetReception = *m.Reception, true
	}
	if m.Suspended != nil {
		c.Suspended, c.SetSuspended = *m.Suspended, true
	}
	return c
}

func members() []route {
	const all = "/lists/{list}/members"
	const one = all + "/{address}"
	add := act(http.MethodPost, all, admin.ScopeWrite, "Put people on a list: all of them or none (member add)", func(c *call, p People) (admin.Change, error) {
		return c.AddMembers(c.Context(), c.list(), p.Role, p.Addresses)
	})
	add.most = maxMembers
	return []route{
		get(all, "Who is on a list, as far as one may see it (member ls)", func(c *call) ([]list.Member, error) {
			return c.Members(c.Context(), c.list(), c.text("role"))
		}, "role"),
		add,
		octets(all+"/import", admin.ScopeWrite, "Put the people of a file on a list: all of them or none (member import)", mediaCSV, maxMembers, func(c *call, file io.Reader) (admin.Change, error) {
			octets, err := io.ReadAll(file)
			if err != nil {
				return admin.Change{}, err
			}
			return c.ImportMembers(c.Context(), c.list(), c.text("role"), bytes.NewReader(octets))
		}, "role"),
		{method: http.MethodGet, path: all + "/export", scope: admin.ScopeRead, summary: "The people of a list as a file (member export)", query: []string{"role"}, gives: mediaCSV, answer: reflect.TypeFor[string](), most: maxBody,
			serve: func(c *call) error {
				var file bytes.Buffer // whole or not at all
				if err := c.ExportMembers(c.Context(), c.list(), c.text("role"), &file); err != nil {
					return err
				}
				c.w.Header().Set("Content-Type", mediaCSV+"; charset=utf-8")
				_, err := file.WriteTo(c.w)
				return err
			}},
		get(one, "One person on a list (member show)", func(c *call) (admin.MemberShown, error) {
			return c.Member(c.Context(), c.list(), c.PathValue("address"))
		}),
		act(http.MethodPatch, one, admin.ScopeWrite, "Change one person (member set)", func(c *call, m MemberChange) (admin.Change, error) {
			return c.SetMembers(c.Context(), c.list(), m.Role, []string{c.PathValue("address")}, m.change())
		}),
		act(http.MethodDelete, one, admin.ScopeWrite, "Take one person off a list (member del)", func(c *call, _ none) (admin.Change, error) {
			return c.RemoveMembers(c.Context(), c.list(), c.text("role"), []string{c.PathValue("address")})
		}, "role"),
	}
}

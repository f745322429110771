package scenario

import (
	"slices"
	"strings"
)

// Function is what a scenario decides on: the first part of its file's name.
type Function string

// The functions.
const (
	Send        Function = "send"
	Subscribe   Function = "subscribe"
	Unsubscribe Function = "unsubscribe"
	Add         Function = "add"
	Del         Function = "del"
	Invite      Function = "invite"
	Remind      Function = "remind"
	Review      Function = "review"
	Info        Function = "info"
	Visibility  Function = "visibility"
)

// include is what files have in a function's place that others include.
const include Function = "include"

// Functions returns those that exist.
func Functions() []Function {
	return []Function{Send, Subscribe, Unsubscribe, Add, Del, Invite, Remind, Review, Info, Visibility}
}

// exists tells whether anything asks this function.
func (f Function) exists() bool { return slices.Contains(Functions(), f) }

// actions are those that a scenario of the function may decide on.
func (f Function) actions() []Action {
	switch f {
	case Subscribe, Unsubscribe:
		return []Action{DoIt, Reject, RequestAuth, Owner}
	case Add, Del, Invite, Remind, Review:
		return []Action{DoIt, Reject, RequestAuth}
	case Info, Visibility:
		return []Action{DoIt, Reject}
	}
	return []Action{DoIt, Reject, RequestAuth, Editor, EditorKey, Owner, Listmaster}
}

// wantsOpenList tells whether a closed list rejects it, whatever the rules say.
func (f Function) wantsOpenList() bool { return f == Send || f == Visibility }

// wantsBlocklist tells whether those on the blocklist are rejected first.
func (f Function) wantsBlocklist() bool { return f == Send }

// ParseFunction reads the name of a function that exists.
func ParseFunction(s string) (Function, bool) {
	f := Function(s)
	return f, f.exists()
}

// SplitName splits "send.private" into the function, which may be one that
// does not exist, and the name. It is false where either is missing.
func SplitName(file string) (Function, string, bool) {
	f, name, ok := strings.Cut(file, ".")
	return Function(f), name, ok && f != "" && plainName(name)
}

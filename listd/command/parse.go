package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// Verb is what a command asks for.
type Verb string

// The verbs, each by the first of its words.
const (
	Add         Verb = "ADD"
	Address     Verb = "ADDRESS" // ours, not Sympa's: a further address of the sender
	Auth        Verb = "AUTH"
	Confirm     Verb = "CONFIRM"
	Del         Verb = "DEL"
	Distribute  Verb = "DISTRIBUTE"
	Get         Verb = "GET"
	Help        Verb = "HELP"
	Index       Verb = "INDEX"
	Info        Verb = "INFO"
	Invite      Verb = "INVITE"
	Last        Verb = "LAST"
	Lists       Verb = "LISTS"
	ModIndex    Verb = "MODINDEX"
	Quit        Verb = "QUIT"
	Reject      Verb = "REJECT"
	Remind      Verb = "REMIND"
	Review      Verb = "REVIEW"
	Set         Verb = "SET"
	Stats       Verb = "STATS"
	Subscribe   Verb = "SUBSCRIBE"
	Unsubscribe Verb = "SIGNOFF"
	Verify      Verb = "VERIFY"
	Which       Verb = "WHICH"
)

// Everywhere stands for the list in SET, SIGNOFF and REMIND: each list of the sender's.
const Everywhere = "*"

// Certificate stands for a list's certificate in GET; alone, for that of the robot.
const Certificate = "certificate"

// Command is one command, read and not yet judged.
type Command struct {
	Verb  Verb
	Line  string // as it was written, at most 200 octets
	Quiet bool   // it is to be answered only if it fails

	List    string         // as written: a name, a whole address, or Everywhere; "" where the verb takes none
	Address list.Address   // of ADD, DEL, INVITE; SIGNOFF may have one
	Name    string         // of SUBSCRIBE, ADD, INVITE: what the person is called
	Key     string         // of AUTH, CONFIRM, DISTRIBUTE, REJECT
	Mode    list.Reception // of SET; "" if Conceal is set
	Conceal *bool          // of SET
	What    string         // of GET: a month, a post or Certificate; of REJECT: the reason
}

// syntax is how a verb is written.
type syntax struct {
	verb  Verb
	words []string
	list  bool // takes a list first; left out in a mail to a list's own address
	star  bool // takes Everywhere in its place
	args  string
	read  func(c *Command, rest string) bool // nil: takes nothing
}

var grammar = []syntax{
	{Add, []string{"add"}, true, false, "LIST ADDRESS [NAME]", person},
	{Address, []string{"address"}, true, false, "LIST ADDRESS", address},
	{Auth, []string{"auth"}, false, false, "KEY", keyAndMore},
	{Confirm, []string{"con", "confirm"}, false, false, "KEY", key},
	{Del, []string{"del", "delete"}, true, false, "LIST ADDRESS", address},
	{Distribute, []string{"dis", "distribute"}, true, false, "LIST KEY", key},
	{Get, []string{"get"}, true, false, "LIST MONTH|POST|certificate", what},
	{Help, []string{"hel", "help", "sos"}, false, false, "", nil},
	{Index, []string{"ind", "index"}, true, false, "LIST", nil},
	{Info, []string{"inf", "info"}, true, false, "LIST", nil},
	{Invite, []string{"inv", "invite"}, true, false, "LIST ADDRESS [NAME]", person},
	{Last, []string{"las", "last"}, true, false, "LIST", nil},
	{Lists, []string{"lis", "list", "lists"}, false, false, "", nil},
	{ModIndex, []string{"mod", "modind", "modindex"}, true, false, "LIST", nil},
	{Quit, []string{"qui", "quit", "end", "stop", "-"}, false, false, "", nil},
	{Reject, []string{"rej", "reject"}, true, false, "LIST KEY [REASON]", keyAndMore},
	{Remind, []string{"rem", "remind"}, true, true, "LIST|*", nil},
	{Review, []string{"rev", "review", "who"}, true, false, "LIST", nil},
	{Set, []string{"set"}, true, true, "LIST|* MODE", mode},
	{Stats, []string{"sta", "stats"}, true, false, "LIST", nil},
	{Subscribe, []string{"sub", "subscribe"}, true, false, "LIST [NAME]", name},
	{Unsubscribe, []string{"sig", "signoff", "uns", "unsub", "unsubscribe"}, true, true, "LIST|* [ADDRESS]", optionalAddress},
	{Verify, []string{"ver", "verify"}, true, false, "LIST", nil},
	{Which, []string{"whi", "which", "status"}, false, false, "", nil},
}

// Bounds of one mail.
const (
	MaxCommands = 50  // a mail with more is read no further
	maxLines    = 200 // likewise; empty ones count
	maxLine     = 200 // octets of a line
)

// Problem is why reading stopped before the end.
type Problem struct {
	Line string // the line that is no command, at most 200 octets
	Why  string // what is wrong with it, for the person who wrote it
}

// Parse reads the commands in the lines of a text, in order. It stops at QUIT, at a signature delimiter ("-- "), and at the
// first line that is no command, which it returns as a Problem: what stands before it is complete. home is the address of
// the list that the mail was sent to, for commands that leave the list out; "" where it came to a robot.
func Parse(text, home string) ([]Command, *Problem) {
	var all []Command
	n := 0
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, "\r\n")
		if n++; n > maxLines {
			return all, &Problem{cut(raw), fmt.Sprintf("the mail has more than %d lines", maxLines)}
		}
		line := strings.Trim(raw, " \t")
		if raw == "-- " || raw == "--" {
			return all, nil
		}
		if line == "" || strings.HasPrefix(line, ">") {
			continue
		}
		if len(all) == MaxCommands {
			return all, &Problem{cut(line), fmt.Sprintf("the mail has more than %d commands", MaxCommands)}
		}
		c, why := one(line, home)
		switch {
		case why != "":
			return all, &Problem{cut(line), why}
		case c.Verb == Quit:
			return all, nil
		}
		all = append(all, c)
	}
	return all, nil
}

// one reads a single command.
func one(line, home string) (c Command, why string) {
	c.Line = cut(line)
	if len(line) > maxLine {
		return c, fmt.Sprintf("it is longer than %d characters", maxLine)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return c, "it holds a control character"
	}
	word, rest := cutWord(line)
	if lower(word) == "quiet" && rest != "" {
		c.Quiet = true
		word, rest = cutWord(rest)
	}
	i := slices.IndexFunc(grammar, func(s syntax) bool { return slices.Contains(s.words, lower(word)) })
	if i < 0 {
		return c, "it is not a command"
	}
	s := grammar[i]
	c.Verb = s.verb
	usage := "write it as " + strings.TrimSpace(string(s.verb)+" "+s.args)
	if s.list {
		if s.verb == Get && home == "" && lower(rest) == Certificate {
			c.What = Certificate // the robot's own
			return c, ""
		}
		c.List, rest = listAndRest(s, rest, home)
		if c.List == "" || c.List == Everywhere && !s.star {
			return c, usage
		}
	}
	if s.read == nil {
		if rest != "" {
			return c, usage
		}
		return c, ""
	}
	if !s.read(&c, rest) {
		return c, usage
	}
	return c, ""
}

// listAndRest takes the list off the front of a command's arguments. In mail to a list itself it may be left out: then what
// stands there is the list only if it is this one.
func listAndRest(s syntax, rest, home string) (string, string) {
	word, behind := cutWord(rest)
	if home == "" {
		return word, behind
	}
	local, _, _ := strings.Cut(home, "@")
	if word == Everywhere || strings.EqualFold(word, home) || strings.EqualFold(word, local) {
		return word, behind
	}
	return home, rest
}

func cutWord(s string) (word, rest string) {
	s = strings.Trim(s, " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.Trim(s[i:], " \t")
	}
	return s, ""
}

// lower folds ASCII letters and no others.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// cut makes a line fit to be shown.
func cut(line string) string {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(line, "?"))
}

// The readers of what stands behind a verb and its list.

func address(c *Command, rest string) bool {
	a, err := list.ParseAddress(rest)
	c.Address = a
	return err == nil
}

func optionalAddress(c *Command, rest string) bool { return rest == "" || address(c, rest) }

func person(c *Command, rest string) bool {
	word, called := cutWord(rest)
	return address(c, word) && name(c, called)
}

func name(c *Command, rest string) bool {
	c.Name = strings.Trim(rest, `"' `)
	return true
}

func key(c *Command, rest string) bool {
	word, behind := cutWord(rest)
	return behind == "" && keyWord(c, word)
}

func keyAndMore(c *Command, rest string) bool {
	word, behind := cutWord(rest)
	c.What = behind
	return keyWord(c, word)
}

func keyWord(c *Command, word string) bool {
	c.Key = word
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' || r == '.')
	})
}

func what(c *Command, rest string) bool {
	c.What = rest
	return rest != ""
}

// mode reads Sympa's words for how a member receives posts, and whether others see him.
func mode(c *Command, rest string) bool {
	yes, no := true, false
	switch word := lower(rest); word {
	case "conceal":
		c.Conceal = &yes
	case "noconceal":
		c.Conceal = &no
	case "mail", "normal", "each", "eachmail":
		c.Mode = list.ReceiveMail
	default:
		m, err := list.ParseReception(word)
		c.Mode = m
		return err == nil && word != ""
	}
	return true
}

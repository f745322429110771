package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestChoice reads as a log: each line is a step, and behind the arrow which
// hop was chosen; tried hops stand behind "pick".
func TestChoice(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []int
		steps   string
	}{
		{"one hop, always", []int{1}, "pick>a; fail a; pick>a; pick>a; pick a>-"},
		{"by weight, evenly spread", []int{3, 1}, "pick>a; pick>a; pick>b; pick>a; pick>a; pick>a; pick>b; pick>a"},
		{"a backup only when all others are aside or tried", []int{1, 0, 1}, "pick>a; pick>c; pick>a; fail a; pick>c; fail c; pick>b; pick>b; pick ac>b"},
		{"all of them backups", []int{0, 0}, "pick>a; pick>b; pick>a"},
		{"put aside for a second, then tried by one Send", []int{1, 0}, "pick>a; fail a; pick>b; +999ms; pick>b; +1ms; pick>a; pick>b; ok a; pick>a; pick>a"},
		{"twice as long after each further failure", []int{1, 0}, "fail a; +1s; pick>a; fail a; +1999ms; pick>b; +1ms; pick>a; fail a; +3999ms; pick>b; +1ms; pick>a"},
		{"five minutes at most", []int{1, 0}, "fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +1h; fail a; +299s; pick>b; +1s; pick>a"},
		{"Sends that fail together count once", []int{1, 0}, "pick>a; pick>a; fail a; fail a; fail a; +1s; pick>a"},
		{"all aside: the one that is due first, and no second", []int{1, 1}, "fail b; +500ms; fail a; pick>b; pick b>-"},
		{"a Send that was ended leaves the trial to the next", []int{1, 0}, "fail a; +1s; pick>a; pick>b; end a; pick>a"},
		{"back from aside, no more than its share", []int{1, 1}, "fail a; pick>b; pick>b; pick>b; +1s; pick>a; ok a; pick>b; pick>a; pick>b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hops []Hop
			for _, w := range c.weights {
				hops = append(hops, Hop{Weight: w})
			}
			choice, now := newChoice(hops), time.Unix(1e9, 0)
			for n, step := range strings.Split(c.steps, "; ") {
				word, rest, _ := strings.Cut(step, " ")
				if d, is := strings.CutPrefix(step, "+"); is {
					by, err := time.ParseDuration(d)
					if err != nil {
						t.Fatal(err)
					}
					now = now.Add(by)
					continue
				}
				switch word {
				case "fail":
					choice.failed(int(rest[0]-'a'), now)
				case "ok":
					choice.worked(int(rest[0] - 'a'))
				case "end":
					choice.undecided(int(rest[0] - 'a'))
				default:
					names, want, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(step, "pick")), ">")
					tried := make([]bool, len(hops))
					for _, name := range names {
						tried[name-'a'] = true
					}
					got := "-"
					if i := choice.pick(now, tried); i >= 0 {
						got = fmt.Sprintf("%c", 'a'+i)
					}
					if got != want {
						t.Fatalf("step %d, %s: got %s", n+1, step, got)
					}
				}
			}
		})
	}
}

package listd_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// What comes from outside ends no line of the log, hides none, and turns none around: not in a reply of the next hop, an
// address, a Message-ID or a HELO name. Every stage of a post's life has one line, with the same keys.
func TestTheLogIsStructured(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.sealist.Close())
			options := &slog.HandlerOptions{Level: slog.LevelDebug}
			var handler slog.Handler = slog.NewTextHandler(w, options)
			if format == "json" {
				handler = slog.NewJSONHandler(w, options)
			}
			s, err := listd.Open(t.Context(), w.config, listd.Options{Log: slog.New(handler), KeyIterations: 1000, Clock: w.now, DNS: w.dns,
				Ready: func(urls []string) { w.ready <- strings.TrimPrefix(urls[0], "smtp://") }})
			w.must(err)
			w.sealist = s
			w.sink.Behave(func(s peer.Step) peer.Act {
				if s.Verb == "RCPT" && s.ForwardPath == "bob@example.org" {
					return peer.Act{Reply: "550 5.1.1 no\x1b[2Jbob\u202e \u2028spool_id=forged"}
				}
				return peer.Act{}
			})
			w.start()
			post := "From: alice@example.org\r\nTo: " + wallList + "\r\nMessage-ID: <\x1b[31m\u202ered@x>\r\nSubject: x\r\n\r\ntext\r\n"
			item, _ := w.settled(w.send("alice@example.org", wallList, []byte(post)))
			if item.State != store.ItemDone {
				t.Fatalf("%s: %s", item.State, item.Reason)
			}
			w.stop()
			log := w.logged()
			for _, bad := range []string{"\x1b", "\u202e", "\u2028", "\r"} {
				if strings.Contains(log, bad) {
					t.Errorf("the log holds %q", bad)
				}
			}
			stages := map[string]int{}
			for line := range strings.Lines(log) {
				stage := ""
				if format == "json" {
					var record struct{ Stage string }
					if err := json.Unmarshal([]byte(line), &record); err != nil {
						t.Errorf("%v: %q", err, line)
					}
					stage = record.Stage
				} else if _, after, ok := strings.Cut(line, " stage="); ok {
					stage = strings.Fields(after)[0]
				}
				if stage != "" && !strings.Contains(line, item.ID) {
					t.Errorf("no spool_id in %s", line)
				}
				stages[stage]++
			}
			for stage, n := range map[string]int{"accept": 1, "authorize": 1, "expand": 1, "relay": 3} {
				if stages[stage] != n {
					t.Errorf("%d lines of stage %s, want %d", stages[stage], stage, n)
				}
			}
		})
	}
}

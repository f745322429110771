package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
)

// Whatever a value holds, a line of the log is one line of what prints, and what was in the value can be read from it.
func TestTheLogObeysNobody(t *testing.T) {
	const evil = "a\r\nspool_id=forged\x00\x1b[2J\x7f\u0085\u009b31m\u061c\u200e\u2028\u2029\u202e\u2066\ufeff\U000e0001\xff\"\\ z"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := newLog(&out, format, slog.LevelInfo)
		log.With("with"+evil, evil).Info(evil, "rcpt", evil, "err", errors.New(evil), slog.Group("g", "list", evil))
		line, ended := strings.CutSuffix(out.String(), "\n")
		if at := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); at >= 0 || !ended {
			t.Errorf("%s: %q at %d of %q", format, line[at:min(at+4, len(line))], at, line)
		}
		if format == "text" {
			continue
		}
		var record map[string]any
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(evil, "\ufffd"); record["rcpt"] != want || record["msg"] != want {
			t.Errorf("%q, want %q", record["rcpt"], want)
		}
	}
}

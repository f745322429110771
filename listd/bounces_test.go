package listd_test

import (
	"bytes"
	"io/fs"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// TestBouncesGoNowhere sends real bounces to every address of an open list, with the null reverse-path that they should have
// and with one that they should not: none is distributed, and none is answered.
func TestBouncesGoNowhere(t *testing.T) {
	root := os.Getenv("SEALIST_CORPORA")
	if root == "" {
		t.Skip("SEALIST_CORPORA is not set")
	}
	w := newWorld(t)
	w.role("bob", wallList, list.RoleEditor)
	w.start()
	sent := 0
	w.must(filepath.WalkDir(filepath.Join(root, "bounces-sisimai"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".eml" {
			return err
		}
		octets, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		octets = entity.Canonical(bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")))
		if bytes.IndexByte(octets, 0) >= 0 {
			return nil // refused at the door
		}
		for _, from := range []string{"", returnPath(octets)} {
			to := []string{wallList, "wall-owner@lists.example.org", "wall-editor@lists.example.org", "wall-request@lists.example.org",
				"wall-subscribe@lists.example.org", "wall-unsubscribe@lists.example.org", robot}
			if err := smtp.SendMail(w.addr, nil, from, to, octets); err != nil {
				return nil // likewise
			}
			sent++
		}
		return nil
	}))
	items := w.items()
	// Amazon's notifications of bounces, and complaints of before ARF, are ordinary mail to look at.
	ordinary := []string{"@us-west-2.amazonses.com>", "@CAT0-RRR.example.org>"}
	for _, item := range items {
		settled, deliveries := w.settled(item)
		if slices.ContainsFunc(ordinary, func(o string) bool { return strings.HasSuffix(settled.MessageID, o) }) {
			continue
		}
		for _, d := range deliveries {
			if d.Kind == store.KindCopy || d.Kind == store.KindNotice {
				t.Errorf("%s to %s: a %s to %s (%s)", settled.ID, settled.ForwardPath, d.Kind, d.Address, settled.MessageID+" "+settled.ReversePath)
				break
			}
		}
	}
	t.Logf("%d bounces, %d items", sent, len(items))
	if sent < 100 {
		t.Errorf("only %d were taken", sent)
	}
}

// returnPath is what a message says that its reverse-path was.
func returnPath(octets []byte) string {
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return ""
	}
	return strings.Trim(e.Header().Get("Return-Path"), "<> ")
}

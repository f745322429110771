package listd_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestScopedAnchors: what trust.anchors says reaches whoever judges certificates.
func TestScopedAnchors(t *testing.T) {
	w := newWorld(t)
	partner := smimetest.NewCA("Partner CA")
	w.must(w.sealist.Close())
	w.config.Trust.Anchors = []config.Anchor{{CAFile: w.file("partner.pem", partner.PEM()), Domains: []string{"partner.example"}}}
	w.open()
	for address, want := range map[string]trust.Reason{"pat@partner.example": "", "alice@example.org": trust.BadPath} {
		v := w.sealist.Trust.Judge(partner.Issue(address).Certificate, trust.Signing, time.Now(), nil)
		if v.Reason != want {
			t.Errorf("%s: %q (%s), want %q", address, v.Reason, v.Detail, want)
		}
	}
}

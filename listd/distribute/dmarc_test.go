package distribute

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/entity"
)

func TestPassedDMARC(t *testing.T) {
	const ours, theirs = "Authentication-Results: mx.example.org; ", "Received: from a by mx.example.org\n"
	for _, c := range []struct {
		name, header string
		want         bool
	}{
		{"passed", ours + "dmarc=pass (p=reject) header.from=example.com\n", true},
		{"passed, below our own Received", theirs + ours + "dmarc=pass header.from=example.com\n", true},
		{"passed, beside others", ours + "spf=fail; dkim=pass; DMARC=Pass\n", true},
		{"version", "Authentication-Results: mx.example.org 1; dmarc=pass\n", true},
		{"none", "", false},
		{"failed", ours + "dmarc=fail header.from=example.com\n", false},
		{"no dmarc", ours + "spf=pass; dkim=pass\n", false},
		{"another domain", ours + "dmarc=pass header.from=example.net\n", false},
		{"another server's", "Authentication-Results: mx.example.net; dmarc=pass\n", false},
		{"in a comment", ours + "spf=pass (x; dmarc=pass)\n", false},
		{"a name in a comment", "Authentication-Results: mx.example.net (mx.example.org); dmarc=pass\n", false},
		{"below a second Received", theirs + theirs + ours + "dmarc=pass\n", false},
		{"one forged above, ours below", ours + "dmarc=pass\n" + theirs + ours + "dmarc=fail\n", false},
		{"ours above, one forged below", ours + "dmarc=none\n" + theirs + ours + "dmarc=pass\n", false},
		{"a property that looks like it", ours + "spf=pass smtp.mailfrom=dmarc=pass\n", false},
	} {
		e, err := entity.Parse([]byte(strings.ReplaceAll(c.header+"From: alice@example.com\n\nx\n", "\n", "\r\n")), entity.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if got := passedDMARC(e.Header(), "example.com", []string{"MX.example.org"}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

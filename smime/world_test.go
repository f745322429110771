package smime_test

import (
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// world is the people these tests know, made once.
type world struct {
	ca, stranger               *smimetest.CA
	alice, bob, mallory, list  *smimetest.Identity
	gateway, noAddress, forged *smimetest.Identity
	policy                     *trust.Policy
}

var theWorld = sync.OnceValue(func() *world {
	ca, stranger := smimetest.NewCA("Corp CA"), smimetest.NewCA("Stranger CA")
	sub := ca.Sub("Corp Mail CA")
	return &world{
		ca: ca, stranger: stranger,
		alice:     sub.Issue("alice@corp.example"),
		bob:       sub.Issue("bob@corp.example", smimetest.ECP256),
		mallory:   sub.Issue("mallory@corp.example"),
		list:      sub.Issue("list@lists.example"),
		gateway:   ca.Issue("gateway@corp.example"),
		noAddress: ca.Issue("alice@corp.example", smimetest.NoSAN),
		forged:    stranger.Issue("alice@corp.example"),
		policy:    trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{ca.Certificate}}),
	}
})

func (w *world) options(keys ...*smimetest.Identity) smime.Options {
	o := smime.Options{}
	for _, id := range keys {
		o.Keys = append(o.Keys, id.DecryptKey())
	}
	return o
}

// read opens a message with the list's key and judges it.
func (w *world) read(t testing.TB, octets []byte) (*smime.Message, smime.Authentication) {
	t.Helper()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	m := smime.Open(e, w.options(w.list))
	return m, smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now(), MaxSigningAge: 7 * 24 * time.Hour})
}

// mail is a message from alice to the list.
func (w *world) mail(e *entity.Entity) []byte {
	return smimetest.Mail("Alice <"+w.alice.Address+">", w.list.Address, "a post", e)
}

func (w *world) encrypt(e *entity.Entity) *entity.Entity {
	return smimetest.Encrypt(e, w.list, w.alice)
}

func (w *world) encryptGCM(e *entity.Entity) *entity.Entity {
	return smimetest.EncryptWith(cms.AES256GCM, cms.RecipientOptions{}, e, w.list)
}

package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
)

type macs string

func (m macs) HMAC(_ context.Context, purpose string, data []byte) ([]byte, error) {
	h := hmac.New(sha256.New, []byte(string(m)+purpose))
	h.Write(data)
	return h.Sum(nil), nil
}

type world struct {
	*token.Tokens
	store *store.Store
	now   time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	s, err := store.Open(t.Context(), peer.Database(t), store.Options{Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w.store, w.Tokens = s, token.New(s, macs("secret"), func() time.Time { return w.now })
	return w
}

var claim = token.Claim{List: 7, Sender: list.MustParseAddress("Alice@example.org"), Operation: "send", Object: "abc"}

func TestToken(t *testing.T) {
	w := newWorld(t)
	text, err := w.Make(t.Context(), token.Challenge, claim, time.Hour)
	if err != nil || len(text) != 40 {
		t.Fatalf("%q, %v", text, err)
	}
	for _, written := range []string{text, strings.ToUpper(text), " " + text + "\n"} {
		if got, err := w.Check(t.Context(), token.Challenge, written); err != nil || got != claim {
			t.Errorf("%q: %+v, %v", written, got, err)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "short": text[:39], "long": text + "a", "another letter": text[:20] + string('a'+(text[20]-'a'+1)%26) + text[21:], "no base32": strings.Repeat("!", 40), "zeroes": strings.Repeat("a", 40),
	} {
		if _, err := w.Check(t.Context(), token.Challenge, bad); !errors.Is(err, token.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Use(t.Context(), token.Moderation, text); !errors.Is(err, token.ErrToken) {
		t.Errorf("for another purpose: %v", err)
	}
	if got, err := w.Use(t.Context(), token.Challenge, text); err != nil || got != claim {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.Use(t.Context(), token.Challenge, text); !errors.Is(err, token.ErrToken) {
		t.Errorf("twice: %v", err)
	}
}

func TestTokenIsOver(t *testing.T) {
	w := newWorld(t)
	text, err := w.Make(t.Context(), token.Challenge, claim, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour + time.Second)
	if _, err := w.Use(t.Context(), token.Challenge, text); !errors.Is(err, token.ErrToken) {
		t.Errorf("%v", err)
	}
	if n, err := w.store.ExpireTokens(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestNobodyMakesATokenFromTheDatabase: who changes or copies a row has no token for it.
func TestNobodyMakesATokenFromTheDatabase(t *testing.T) {
	w := newWorld(t)
	text, err := w.Make(t.Context(), token.Challenge, claim, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	thief := token.New(w.store, macs("a guess"), func() time.Time { return w.now })
	if _, err := thief.Check(t.Context(), token.Challenge, text); !errors.Is(err, token.ErrToken) {
		t.Errorf("under another secret: %v", err)
	}
	if err := w.store.DropTokens(t.Context(), claim.Object); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check(t.Context(), token.Challenge, text); !errors.Is(err, token.ErrToken) {
		t.Errorf("its object is decided on: %v", err)
	}
}

// TestOnlyOneUses: of many who use a token at once one may act.
func TestOnlyOneUses(t *testing.T) {
	w := newWorld(t)
	text, err := w.Make(t.Context(), token.Challenge, claim, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range 8 {
		wg.Go(func() {
			if _, err := w.Use(context.Background(), token.Challenge, text); err == nil {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if good != 1 {
		t.Errorf("%d acted", good)
	}
}

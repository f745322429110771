package cms

import (
	"bytes"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// timingSamples is how often each class is measured, at least.
const timingSamples = 20_000

// timingBound is what Welch's t must stay below for two classes to count as alike.
const timingBound = 4.5

func needTiming(t *testing.T) {
	t.Helper()
	switch {
	case os.Getenv("SEALIST_TIMING") != "1":
		t.Skip("timing of decryption failures is measured with SEALIST_TIMING=1 only, alone on the machine")
	case raceEnabled:
		t.Skip("timing of decryption failures is not measured under the race detector")
	}
}

// timed is a class of messages. All go through the same calls, the decoy too: how deep the stack is
// when RSA begins makes more of a difference than a microsecond.
type timed struct {
	run   func()
	delay time.Duration
}

// measure runs the classes in random order, n rounds of one each, and returns the durations in
// nanoseconds, less the median of their round: what slows a whole round down, the processor's clock or
// a neighbour, is then in no class.
func measure(n int, classes []timed) [][]float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	samples := make([][]float64, len(classes))
	order := make([]int, len(classes))
	for i := range order {
		order[i] = i
		samples[i] = make([]float64, 0, n)
	}
	round := make([]float64, len(classes))
	for i := range n {
		if i%500 == 0 {
			runtime.GC()
			for _, class := range classes {
				class.run()
			}
		}
		rand.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		for _, c := range order {
			began := time.Now()
			classes[c].run()
			spin(classes[c].delay)
			round[c] = float64(time.Since(began))
		}
		median := slices.Sorted(slices.Values(round))[len(round)/2]
		for c, took := range round {
			samples[c] = append(samples[c], took-median)
		}
	}
	return samples
}

// welch returns Welch's t of two classes over the middle half of each, with the variance of Yuen's
// test for trimmed means: interrupts make long tails that say nothing of the code.
func welch(a, b []float64) float64 {
	moments := func(x []float64) (mean, squaredError float64) {
		x = slices.Sorted(slices.Values(x))
		cut := len(x) / 4
		middle := x[cut : len(x)-cut]
		h := float64(len(middle))
		for _, v := range middle {
			mean += v / h
		}
		winsorized := slices.Concat(slices.Repeat(middle[:1], cut), middle, slices.Repeat(middle[len(middle)-1:], cut))
		center, sum := 0.0, 0.0
		for _, v := range winsorized {
			center += v / float64(len(x))
		}
		for _, v := range winsorized {
			sum += (v - center) * (v - center)
		}
		return mean, sum / (h * (h - 1))
	}
	ma, ea := moments(a)
	mb, eb := moments(b)
	return (ma - mb) / math.Sqrt(ea+eb)
}

// oaepAfter is the identifier of OAEP, in place of the one that is read.
func oaepAfter(r *reader) []byte {
	r.next()
	return encodeAlgorithm(oidOAEP, oaepSHA256())
}

// spin burns time, as code would that takes another branch.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// TestTimingOfFailures: how long a failed decryption takes says nothing of what failed. The classes of
// a row differ in nothing that can be seen from outside; all are as long, and are sent to the same key.
// RSA has 1024 bits here: a longer key takes the same paths, only longer, and hides them in noise.
func TestTimingOfFailures(t *testing.T) {
	needTiming(t)
	const variants = 32
	key := bytes.Repeat([]byte{7}, 32)
	iv := bytes.Repeat([]byte{9}, 16)
	content := func(last ...byte) []byte {
		return cbcEncrypted(t, key, iv, append(make([]byte, 1024-len(last)), last...))
	}
	good, bad := content(1), content(0)
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	transported := func(wrapped []byte) []byte { return ktri(t, "rsa1024", wrapped) }
	oaep := func(key []byte) []byte {
		public := who(t, "rsa1024").cert.PublicKey.(*rsa.PublicKey)
		wrapped, err := rsa.EncryptOAEP(sha256.New(), crand.Reader, public, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ktriRaw(t, "rsa1024", encodeAlgorithm(oidOAEP, oaepSHA256()), wrapped)
	}
	// retitled says that what is wrapped is under OAEP.
	retitled := func(ktri []byte) []byte {
		r := first(ktri).children()
		return encode(tagSequence, r.next().raw(), r.next().raw(), oaepAfter(r), r.next().raw())
	}
	// What is no padding for this key: any number below the modulus.
	garbage := func() []byte {
		wrapped := make([]byte, 128)
		for i := range wrapped[1:] {
			wrapped[i+1] = byte(rand.Uint32())
		}
		return ktriRaw(t, "rsa1024", encodeAlgorithm(oidRSA, null), wrapped)
	}
	agreed := func(a agreement) []byte { a.who = "p256"; return a.der(t) }
	rows := []struct {
		name    string
		who     string
		classes map[string]func() sealed
	}{
		{"RSA", "rsa1024", map[string]func() sealed{
			"no PKCS #1 padding":     func() sealed { return sealed{infos: [][]byte{garbage()}, data: good} },
			"content key too short":  func() sealed { return sealed{infos: [][]byte{transported(key[:16])}, data: good} },
			"another content key":    func() sealed { return sealed{infos: [][]byte{transported(bytes.Repeat([]byte{8}, 32))}, data: good} },
			"padding of the content": func() sealed { return sealed{infos: [][]byte{transported(key)}, data: bad} },
		}},
		{"ECDH", "p256", map[string]func() sealed{
			"integrity of the wrapped key": func() sealed { return sealed{infos: [][]byte{agreed(agreement{change: flip})}, data: good} },
			"another content key": func() sealed {
				return sealed{infos: [][]byte{agreed(agreement{key: bytes.Repeat([]byte{8}, 32)})}, data: good}
			},
			"padding of the content": func() sealed { return sealed{infos: [][]byte{agreed(agreement{})}, data: bad} },
		}},
		{"OAEP", "rsa1024", map[string]func() sealed{
			"no OAEP padding":        func() sealed { return sealed{infos: [][]byte{retitled(garbage())}, data: good} },
			"content key too short":  func() sealed { return sealed{infos: [][]byte{oaep(key[:16])}, data: good} },
			"padding of the content": func() sealed { return sealed{infos: [][]byte{oaep(key)}, data: bad} },
		}},
		{"GCM", "rsa1024", map[string]func() sealed{
			"no PKCS #1 padding":  func() sealed { return sealed{auth: true, infos: [][]byte{garbage()}} },
			"another content key": func() sealed { return sealed{auth: true, infos: [][]byte{transported(bytes.Repeat([]byte{8}, 32))}} },
			"tag":                 func() sealed { return sealed{auth: true, infos: [][]byte{transported(key)}, tag: flip} },
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			keys := []Key{who(t, row.who).recipientKey()}
			prepare := func(make1 func() sealed) func() {
				var opened []func()
				for range variants {
					c, err := Read(make1().der(t), nil)
					if err != nil {
						t.Fatal(err)
					}
					d := c.(interface {
						Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
					})
					opened = append(opened, func() {
						if _, err := d.Decrypt(keys, nil, DecryptPolicy{}); err != ErrDecrypt {
							t.Fatal(err)
						}
					})
				}
				return func() { opened[rand.IntN(variants)]() }
			}
			names := slices.Sorted(maps.Keys(row.classes))
			var classes []timed
			for _, name := range names {
				classes = append(classes, timed{run: prepare(row.classes[name])})
			}
			// The decoy is like the first class, and slower by a microsecond. It has messages of its
			// own: those that are opened twice as often would be faster for being in the cache.
			decoy := timed{run: prepare(row.classes[names[0]]), delay: time.Microsecond}
			classes = append(classes, decoy)
			samples := make([][]float64, len(classes))
			for range 5 { // a busy machine needs more samples to see a microsecond
				for c, more := range measure(timingSamples, classes) {
					samples[c] = append(samples[c], more...)
				}
				if welch(samples[len(names)], samples[0]) >= timingBound {
					break
				}
			}
			for a := range names {
				for b := range a {
					if tt := welch(samples[a], samples[b]); math.Abs(tt) >= timingBound {
						t.Errorf("%q and %q can be told apart: t = %.1f", names[a], names[b], tt)
					} else {
						t.Logf("%q and %q: t = %.2f", names[a], names[b], tt)
					}
				}
			}
			if tt := welch(samples[len(names)], samples[0]); tt < timingBound {
				t.Errorf("the harness does not see a microsecond: t = %.2f", tt)
			} else {
				t.Logf("the decoy: t = %.1f", tt)
			}
		})
	}
}

package distribute

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// What messages take of Parts.Memory.
const (
	defaultMemory = 64 << 20
	// timesItsSize is how much memory a message takes while it is opened, or while its copies leave: the octets, what
	// stands in them, what that decrypts to; or one ciphertext and its base64 in three alignments.
	timesItsSize = 4
	// memoryWait is how long a batch waits for memory before its copies are put back.
	memoryWait = 30 * time.Second
	// memoryRetry is when they are tried again.
	memoryRetry = 2 * time.Second
	// largeOctets is the size of a message behind which the memory it took is swept at once.
	largeOctets = 4 << 20
)

// errNoMemory says that a post has to wait for others that are in memory.
var errNoMemory = errors.New("too many messages in memory; it waits for the others")

// budget bounds the memory of messages that are open, all together. One that is
// larger than the whole of it is opened alone.
type budget struct {
	octets  int64
	left    *semaphore.Weighted
	waiting atomic.Int64

	mu   sync.Mutex
	used int64
	tell func(used int64) // what is in use, when it has changed
}

func newBudget(octets int64, tell func(int64)) *budget {
	if octets == 0 {
		octets = defaultMemory
	}
	if tell == nil {
		tell = func(int64) {}
	}
	return &budget{octets: octets, left: semaphore.NewWeighted(octets), tell: tell}
}

// take waits for the memory of a message of size octets; reclaim is called if
// there is too little, to give back what nobody needs. give gives it back and is
// called once. Errors: ctx's.
//
// Who waits must hold no other message: two could wait for each other.
func (b *budget) take(ctx context.Context, size int64, reclaim func()) (give func(), err error) {
	n := min(timesItsSize*size, b.octets)
	if !b.left.TryAcquire(n) {
		if err := b.wait(ctx, n, reclaim); err != nil {
			return nil, err
		}
	}
	b.add(n)
	return func() {
		b.add(-n)
		b.left.Release(n)
	}, nil
}

func (b *budget) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	b.tell(b.used)
}

func (b *budget) wait(ctx context.Context, n int64, reclaim func()) error {
	b.waiting.Add(1) // from here on nobody keeps what he does not need
	defer b.waiting.Add(-1)
	reclaim()
	if b.left.TryAcquire(n) {
		return nil
	}
	return b.left.Acquire(ctx, n)
}

// short tells whether somebody waits.
func (b *budget) short() bool { return b.waiting.Load() > 0 }

// swept gives what a large message left behind back to the system. The
// collector would let the heap grow to twice what is in use first, and messages
// are most of that.
func swept(size int64) {
	if size >= largeOctets {
		debug.FreeOSMemory()
	}
}

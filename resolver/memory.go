package resolver

import (
	"sync"
	"time"
)

// memory keeps what addresses resolved to: what sealing needs, no certificates. An entry counts while nothing that it
// depends on has changed: nobody forgot, Options.Changes is what it was, and its time has not ended.
//
// It has two generations; when the young one has half of the octets it becomes the old one, whose forgotten members go.
type memory struct {
	mu         sync.Mutex
	limit      int64 // octets, about
	young, old map[memoryKey]remembered
	octets     int64 // of young
	forgotten  uint64
}

type memoryKey struct {
	address string // normalised
	expired bool   // Allowances.Expired
}

type remembered struct {
	usable      []Usable
	source      string
	changes     uint64
	from, until time.Time
}

// stamp is the state in which a search began: what it found counts only if it is still the same at the end.
type stamp struct{ forgotten, changes uint64 }

// Octets that entries take, about: BenchmarkTenThousand in listd measures 740 for one RSA-2048 certificate.
const (
	octetsPerAddress = 200
	octetsPerUsable  = 800
)

func newMemory(limit int64) *memory {
	return &memory{limit: limit, young: map[memoryKey]remembered{}}
}

func (m *memory) get(key memoryKey, changes uint64, now time.Time) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.young[key]
	if !ok {
		if e, ok = m.old[key]; !ok {
			return e, false
		}
	}
	if e.changes != changes || now.Before(e.from) || !now.Before(e.until) {
		delete(m.young, key)
		delete(m.old, key)
		return e, false
	}
	if _, young := m.young[key]; !young {
		m.add(key, e)
	}
	return e, true
}

func (m *memory) put(key memoryKey, e remembered, began stamp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgotten != began.forgotten || e.changes != began.changes {
		return
	}
	m.add(key, e)
}

// add wants the lock.
func (m *memory) add(key memoryKey, e remembered) {
	size := int64(octetsPerAddress + octetsPerUsable*len(e.usable) + 2*len(key.address))
	if m.octets+size > m.limit/2 {
		m.young, m.old, m.octets = map[memoryKey]remembered{}, m.young, 0
	}
	m.young[key] = e
	m.octets += size
}

// stamp is the state now.
func (m *memory) stamp(changes uint64) stamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	return stamp{m.forgotten, changes}
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young, m.old, m.octets = map[memoryKey]remembered{}, nil, 0
	m.forgotten++
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) + len(m.old)
}

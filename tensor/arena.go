package tensor

import "fmt"

// Arena is a large piece of memory outside of Go's heap, which would take its
// size as leave to let as much garbage pile up, and which ends the program where
// there is no memory.
type Arena struct {
	data []byte
	used int
	free func() error
}

// NewArena returns room for size bytes. It asks the system for huge pages:
// walking through hundreds of megabytes in small ones costs time.
func NewArena(size int) (*Arena, error) { return newArena(size, true) }

// NewSparseArena returns room for size bytes of which many may never be used:
// only pages that are written to take memory.
func NewSparseArena(size int) (*Arena, error) { return newArena(size, false) }

func newArena(size int, huge bool) (*Arena, error) {
	if size == 0 {
		return &Arena{free: func() error { return nil }}, nil
	}
	data, free, err := allocate(size, huge)
	if err != nil {
		return nil, fmt.Errorf("the system has no memory for %d bytes (%w)", size, err)
	}
	return &Arena{data: data, free: free}, nil
}

// ArenaBytes is what n bytes take of an arena.
func ArenaBytes(n int) int { return (n + Alignment - 1) &^ (Alignment - 1) }

// Alloc returns n zeroed bytes that start at a multiple of [Alignment]. It
// panics if there is no room, which is a bug.
func (a *Arena) Alloc(n int) []byte {
	b := a.data[a.used : a.used+n : a.used+n]
	a.used += ArenaBytes(n)
	return b
}

// Close gives the memory back. Nothing may use it any more.
func (a *Arena) Close() error {
	a.data = nil
	return a.free()
}

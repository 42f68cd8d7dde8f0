package bench

import (
	"encoding/binary"
	"math"
	"testing"
	"unsafe"

	"qgo/kernels"
)

// TestProberNumbers wants no denormal number in the arrays that triad computes with.
func TestProberNumbers(t *testing.T) {
	pool := kernels.NewPool(2, false)
	defer pool.Close()
	p, err := NewProber(pool, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, a := range [][]byte{p.a, p.b, p.c} {
		for i := 0; i < len(a); i += 4 {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(a[i:])); v != 0 && v != 1 || v == 0 && i%64 == 0 {
				t.Fatalf("number %d is %g", i/4, v)
			}
		}
	}
}

// TestProberArrays checks that no two arrays meet in the same sets of a cache.
func TestProberArrays(t *testing.T) {
	pool := kernels.NewPool(1, false)
	defer pool.Close()
	p, err := NewProber(pool, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	arrays := [][]byte{p.a, p.b, p.c}
	for i, a := range arrays {
		for j, b := range arrays[:i] {
			from, to := uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&a[0]))
			if len(a) != len(b) || to < from+uintptr(len(b)) {
				t.Errorf("arrays %d and %d overlap", j, i)
			}
			if apart := (to - from) % 4096; apart < 64 || apart > 4096-64 {
				t.Errorf("arrays %d and %d: %d bytes apart, the same within a page", j, i, to-from)
			}
		}
	}
}

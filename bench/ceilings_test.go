package bench

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
	"unsafe"

	"qgo/bench/probe"
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

// TestProberWays wants reads in the fastest way that there is.
func TestProberWays(t *testing.T) {
	pool := kernels.NewPool(1, false)
	defer pool.Close()
	p, err := NewProber(pool, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var read [3]int // bytes, by way
	way := func(i int, wait time.Duration) func([]byte) uint64 {
		return func(b []byte) uint64 {
			time.Sleep(wait)
			read[i] += len(b)
			return 0
		}
	}
	p.Kernels = &probe.Kernels{Reads: []func([]byte) uint64{way(0, 2*time.Millisecond), way(1, 0), way(2, 2*time.Millisecond)}}
	if _, err := p.Read(0); err != nil {
		t.Fatal(err)
	}
	tried := read
	if _, err := p.Read(0); err != nil {
		t.Fatal(err)
	}
	if tried[0] == 0 || tried[2] == 0 || read[0] != tried[0] || read[2] != tried[2] || read[1] == tried[1] {
		t.Errorf("read %v bytes each way at first, then %v: want the second way when all have been tried", tried, read)
	}
}

// TestProberWindows wants passes that follow one another to stream through other
// windows, and through all of them in turn.
func TestProberWindows(t *testing.T) {
	pool := kernels.NewPool(1, false)
	defer pool.Close()
	p, err := NewProber(pool, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, most := range []int64{math.MaxInt64, MaxArray} {
		defer func(before int64) { MaxArray = before }(MaxArray)
		MaxArray = most
		if size, window := arrayBytes(); window == 0 || size%window != 0 || window > usualArray || window%piece != 0 || int64(size) > most {
			t.Errorf("arrays of %d bytes in windows of %d, of %d at most", size, window, most)
		}
	}
	p.window = len(p.a) / 4 / piece * piece
	p.a = p.a[:4*p.window]
	times := make([]int, len(p.a)/piece)
	for range 2 {
		if _, err := p.stream(1, 0, func(_ *kernels.Worker, lo, hi int) {
			for i := lo / piece; i < hi/piece; i++ {
				times[i]++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	// Six passes over four windows.
	for i, n := range times {
		if n < 1 || n > 2 {
			t.Fatalf("piece %d was streamed %d times", i, n)
		}
	}
}

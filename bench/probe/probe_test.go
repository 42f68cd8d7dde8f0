package probe

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"

	"qgo/tensor"
)

// TestStreams compares every kernel's results with plain loops', at lengths
// around the unit and beyond a piece.
func TestStreams(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range All() {
		for _, n := range []int{Align, 2 * Align, 2<<20 - Align, 2<<20 + Align} {
			a, b, c := tensor.Make[float32](n/4), tensor.Make[float32](n/4), tensor.Make[float32](n/4)
			for i := range b {
				b[i], c[i] = float32(rng.IntN(1000)), float32(rng.IntN(1000))
			}
			bs, cs, as := raw(b), raw(c), raw(a)
			k.Triad(as, bs, cs)
			for i := range a {
				if want := b[i] + 3*c[i]; a[i] != want {
					t.Fatalf("%s: triad of %d bytes: value %d is %v, want %v", k.Name, n, i, a[i], want)
				}
			}
			k.Copy(as, bs)
			if !bytes.Equal(as, bs) {
				t.Errorf("%s: copy of %d bytes differs", k.Name, n)
			}
			// A lane of the sum sees every lanes-th word.
			lanes, want := map[string]int{"go": 1, "avx2": 4, "avx512": 8}[k.Name], uint64(0)
			for i := range n / 8 {
				word := uint64(i)*uint64(i) + 3
				binary.LittleEndian.PutUint64(as[8*i:], word)
				if i%lanes == 0 {
					want += word
				}
			}
			for way, read := range k.Reads {
				if got := read(as); got != want {
					t.Errorf("%s: read %d of %d bytes gives %d, want %d", k.Name, way, n, got, want)
				}
			}
		}
	}
}

// TestPeaks checks that the loops in registers multiply and add as often as
// they are said to.
func TestPeaks(t *testing.T) {
	for _, k := range All() {
		for _, p := range k.Peaks {
			for _, rounds := range []int{1, 2, 12345} {
				if got, want := p.Run(rounds), float64(p.Lane*rounds); got != want {
					t.Errorf("%s %s, %d rounds: a lane adds up to %v, want %v", k.Name, p.Instruction, rounds, got, want)
				}
			}
		}
	}
}

// raw views values as bytes.
func raw(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}

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
			// A lane of the sum sees every lanes-th word; all words are equal.
			const word = 3
			for i := 0; i < n; i += 8 {
				binary.LittleEndian.PutUint64(as[i:], word)
			}
			lanes := map[string]int{"go": 1, "avx2": 4, "avx512": 8}[k.Name]
			for way, read := range k.Reads {
				if got, want := read(as), uint64(word*n/8/lanes); got != want {
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

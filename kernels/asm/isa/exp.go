package isa

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The constants of generic.Exp.
const (
	expMin = -87.33
	expMax = 88.72283
	log2E  = 1.44269504088896341
	ln2Hi  = 0.693359375
	ln2Lo  = -2.12194440e-4
)

// expP is its polynomial.
var expP = [...]float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

// Predicates of comparisons, quiet ones.
const (
	notLess = 0x15 // or a NaN
	greater = 0x1e
)

// Exp replaces x by its exponential, with the operations of generic.Exp in the
// same order. For values that may be above its bound, big must be set.
func (s *ISA) Exp(x reg.VecVirtual, big bool) {
	n, r, t, p := s.Vec(), s.Vec(), s.Vec(), s.Vec()
	VMULPS(s.Const(log2E), x, n)
	if s.wide {
		VRNDSCALEPS(U8(0), n, n) // to the nearest, ties to even
	} else {
		VROUNDPS(U8(0), n, n)
	}
	VMULPS(s.Const(ln2Hi), n, t)
	VSUBPS(t, x, r)
	VMULPS(s.Const(ln2Lo), n, t)
	VSUBPS(t, r, r)
	VMULPS(s.Const(expP[0]), r, p)
	for _, c := range expP[1:] {
		VADDPS(s.Const(c), p, p)
		if c != expP[len(expP)-1] {
			VMULPS(r, p, p)
		}
	}
	VMULPS(r, r, t)
	VMULPS(t, p, p)
	VADDPS(r, p, p)
	VADDPS(s.Const(1), p, p)
	// n goes into the exponent. That of a NaN or of what is out of bounds is
	// the integer 1<<31, of which nothing is left.
	VCVTPS2DQ(n, n)
	VPSLLD(U8(23), n, n)
	infinity := s.Const(math.Inf(1))
	if s.wide {
		inside, over := K(), K()
		VCMPPS(U8(notLess), s.Const(expMin), x, inside)
		if big {
			VCMPPS(U8(greater), s.Const(expMax), x, over)
		}
		VPADDD_Z(p, n, inside, x)
		if big {
			VMOVUPS(infinity, over, x) // from an address that need not be aligned
		}
		return
	}
	VPADDD(p, n, p)
	VCMPPS(U8(notLess), s.Const(expMin), x, t)
	VANDPS(p, t, p)
	if big {
		VCMPPS(U8(greater), s.Const(expMax), x, t)
		VBLENDVPS(t, infinity, p, x)
		return
	}
	VMOVAPS(p, x)
}

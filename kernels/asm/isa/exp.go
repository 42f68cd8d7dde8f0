package isa

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/generic"
)

// expP is the polynomial of generic.Exp.
var expP = [...]float64{generic.ExpP0, generic.ExpP1, generic.ExpP2, generic.ExpP3, generic.ExpP4, generic.ExpP5}

// Predicates of comparisons, quiet ones.
const (
	notLess = 0x15 // or a NaN
	greater = 0x1e
)

// Exp replaces x by its exponential, with the operations of generic.Exp in the
// same order. For values that may be above its bound, big must be set.
func (s *ISA) Exp(x reg.VecVirtual, big bool) {
	n, r, t, p := s.Vec(), s.Vec(), s.Vec(), s.Vec()
	VMULPS(s.Const(generic.Log2E), x, n)
	if s.wide {
		VRNDSCALEPS(U8(0), n, n) // to the nearest, ties to even
	} else {
		VROUNDPS(U8(0), n, n)
	}
	VMULPS(s.Const(generic.Ln2Hi), n, t)
	VSUBPS(t, x, r)
	VMULPS(s.Const(generic.Ln2Lo), n, t)
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
		VCMPPS(U8(notLess), s.Const(generic.ExpMin), x, inside)
		if big {
			VCMPPS(U8(greater), s.Const(generic.ExpMax), x, over)
		}
		VPADDD_Z(p, n, inside, x)
		if big {
			VMOVUPS(infinity, over, x) // from an address that need not be aligned
		}
		return
	}
	VPADDD(p, n, p)
	VCMPPS(U8(notLess), s.Const(generic.ExpMin), x, t)
	VANDPS(p, t, p)
	if big {
		VCMPPS(U8(greater), s.Const(generic.ExpMax), x, t)
		VBLENDVPS(t, infinity, p, x)
		return
	}
	VMOVAPS(p, x)
}

package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// The kernels for AVX-VNNI are those for AVX2 with VPDPBUSD, which multiplies
// four unsigned bytes of a lane with four signed ones and adds all to 32 bits.
// The processors that have it without AVX-512 know only its VEX encoding, and
// Go's assembler only that of AVX-512 (EVEX). With -evex the generator writes
// the latter: the same kernels for machines that have no AVX-VNNI to test on.
// There, on a Zen 4, 16 VPDPBUSD and Q4_0's 6 multiplications take 11 cycles,
// 344 GOP/s, of which 254 are reached with 16 rows.

// dotProducts is products with VPDPBUSD.
func (k *kernel) dotProducts(g int, rows []row2) {
	for _, r := range rows {
		for _, sum := range r.sum {
			if k.Shift() > 0 {
				VPBROADCASTD(r.x.Offset(panels.OffStart+4*g), sum)
			} else {
				VPXOR(sum, sum, sum)
			}
		}
	}
	for v, w := range yW {
		for i, r := range rows {
			VPBROADCASTD(r.x.Offset(16*g+4*v), yX[i])
			for half, sum := range r.sum {
				k.dpbusd(yX[i], w[half], sum)
			}
		}
	}
}

// unpack8 is unpack2 for codes of 8 bits, which VPDPBUSD takes as they are.
func (k *kernel) unpack8(s *isa.ISA, g int) {
	mask, table := yTmp, yTmp2
	if k.Levels != nil {
		VMOVDQU(s.Bits(k.lowBits()), mask)
		VBROADCASTI128(levelTable(k.Levels), table)
	}
	for half := range 2 {
		for v, w := range yW {
			if k.Levels == nil {
				VMOVDQU(k.plane2(4*g+v, half), w[half])
			} else {
				k.levels2(g, v, half, mask, table, w[half])
			}
		}
	}
}

// dpbusd adds the products of the signed bytes x and the unsigned bytes w.
func (k *kernel) dpbusd(x, w, sum reg.Register) {
	if k.evex {
		VPDPBUSD(x, w, sum)
		return
	}
	isa.DotYMM("VPDPBUSD", 0x50, x, w, sum)
}

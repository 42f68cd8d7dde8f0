package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// The kernels for floating-point weights. A panel holds 16 weights of each
// column, which become one vector (two with AVX2) of float32; each activation
// of that column is broadcast, and the product is added by a fused
// multiply-add. Those bound the kernels of many rows, which reach 97 % of a
// Zen 4's peak. The kernels of few rows wait for memory; they sum in
// several chains, so that the latency of an addition does not bind before.

// runCols is the number of columns whose products are summed before they are
// added to the result: short sums lose less to rounding.
const runCols = 256

// sums are the sums of a chain, [row][register].
type sums [][]reg.VecVirtual

// floats generates a kernel.
func (k *kernel) floats(s *isa.ISA) {
	k.begin(k.n)
	k.panels(func(loadDst func()) {
		// Sums take half of the registers.
		chains := make([]sums, min(4, s.Registers()/2/(k.n*s.Regs())))
		for c := range chains {
			for range k.n {
				chains[c] = append(chains[c], s.Vecs(s.Regs()))
			}
		}
		left, run, begun := GP64(), GP64(), GP32()
		MOVQ(k.arg(panels.ArgTiles), left)
		XORL(begun, begun)
		Label("run")
		for _, c := range chains {
			for _, row := range c {
				for _, v := range row {
					s.Zero(v)
				}
			}
		}
		MOVQ(U32(runCols), run)
		CMPQ(left, run)
		CMOVQLT(left, run)
		SUBQ(run, left)
		unroll := max(2, len(chains))
		SUBQ(U8(unroll), run)
		JLT(LabelRef("rest"))
		Label("columns")
		k.prefetch(0, unroll*16*k.Bytes/panels.PlaneBytes)
		for c := range unroll {
			k.column(s, c, chains[c%len(chains)])
		}
		k.advance(unroll)
		SUBQ(U8(unroll), run)
		JGE(LabelRef("columns"))
		Label("rest")
		ADDQ(U8(unroll), run)
		JZ(LabelRef("sum"))
		isa.Repeat("column", run, 1, func() {
			k.column(s, 0, chains[0])
			k.advance(1)
		})
		Label("sum")
		for step := len(chains) / 2; step > 0; step /= 2 {
			for c := range step {
				for i, row := range chains[c] {
					for r, v := range row {
						VADDPS(chains[c+step][i][r], v, v)
					}
				}
			}
		}
		k.addResults(s, loadDst, begun, chains[0])
		TESTQ(left, left)
		JNZ(LabelRef("run"))
	})
	isa.End()
}

// column adds the products of the column that is c columns ahead.
func (k *kernel) column(s *isa.ISA, c int, to sums) {
	w := s.Vecs(s.Regs())
	for r, v := range w {
		m := Mem{Base: k.pair, Disp: (c*16 + r*s.Lanes) * k.Bytes}
		switch k.Name {
		case "F32":
			VMOVUPS(m, v)
		case "F16":
			VCVTPH2PS(m, v)
		case "BF16":
			VPMOVZXWD(m, v)
			VPSLLD(U8(16), v, v)
		}
	}
	for i, row := range to {
		s.MulAdd(k.x[i].Offset(4*c), w, row)
	}
}

// advance goes n columns on.
func (k *kernel) advance(n int) {
	ADDQ(U32(n*16*k.Bytes), k.pair)
	for _, x := range k.xBase {
		ADDQ(U8(4*n), x)
	}
}

// addResults stores the sums of a run of columns or, once that has begun, adds
// them to what is there.
func (k *kernel) addResults(s *isa.ISA, loadDst func(), begun reg.GPVirtual, run sums) {
	stride := GP64()
	MOVQ(k.arg(panels.ArgDstStride), stride)
	each := func(do func(v reg.VecVirtual, m Mem)) {
		loadDst()
		k.eachResult(stride, func(i int) {
			for r, v := range run[i] {
				do(v, Mem{Base: k.dst, Disp: 4 * r * s.Lanes})
			}
		})
	}
	TESTL(begun, begun)
	JZ(LabelRef("store"))
	each(func(v reg.VecVirtual, m Mem) { VADDPS(m, v, v) })
	Label("store")
	each(func(v reg.VecVirtual, m Mem) { VMOVUPS(v, m) })
	MOVL(U32(1), begun)
}

package main

import (
	"slices"

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

// floatRows are the numbers of activation rows that there are kernels for.
func floatRows(s *isa.ISA) []int {
	if s.Wide() {
		return []int{1, 2, 4, 8}
	}
	return []int{1, 2, 4} // more would not fit in the registers
}

// floatChains is the number of chains: the sums of the most rows take half of the registers.
func floatChains(s *isa.ISA) int {
	return s.Registers() / 2 / (slices.Max(floatRows(s)) * s.Regs())
}

// sums are the sums of a chain, [row][register].
type sums [][]reg.VecVirtual

// stream is panels that are read by turns with those of another stream.
type stream struct {
	pair   reg.Register // its current columns
	chains []sums
}

// floatStreams is the number of streams of one and of two rows of activations, which have no more sums
// then than the most rows have.
func floatStreams(s *isa.ISA) int { return slices.Max(floatRows(s)) / 2 }

// streamsOf returns the streams that a kernel has at the most.
func (k *kernel) streamsOf(s *isa.ISA) []stream {
	streams := make([]stream, 1)
	if k.n <= 2 {
		streams = make([]stream, floatStreams(s))
	}
	for i := range streams {
		t := &streams[i]
		if t.pair = k.pair; i > 0 {
			t.pair = GP64()
		}
		t.chains = make([]sums, floatChains(s))
		for c := range t.chains {
			for range k.n {
				t.chains[c] = append(t.chains[c], s.Vecs(s.Regs()))
			}
		}
	}
	return streams
}

// eachStream calls body for the first stream, and for the others code that runs if they are there.
func (k *kernel) eachStream(streams []stream, body func(t *stream)) {
	body(&streams[0])
	if len(streams) == 1 {
		return
	}
	end := isa.NewLabel("streams")
	for i := range streams[1:] {
		CMPQ(k.arg(panels.ArgStreams), I8(i+1))
		JLE(LabelRef(end))
		body(&streams[i+1])
	}
	Label(end)
}

// floats generates a kernel.
func (k *kernel) floats(s *isa.ISA) {
	k.begin(k.n)
	k.panels(func(loadDst func()) {
		streams := k.streamsOf(s)
		for i := range streams[1:] {
			MOVQ(streams[i].pair, streams[i+1].pair)
			ADDQ(k.arg(panels.ArgStreamBytes), streams[i+1].pair)
		}
		left, run, begun := GP64(), GP64(), GP64()
		MOVQ(k.arg(panels.ArgTiles), left)
		MOVQ(k.arg(panels.ArgBegun), begun)
		Label("run")
		for _, t := range streams {
			for _, c := range t.chains {
				for _, row := range c {
					for _, v := range row {
						s.Zero(v)
					}
				}
			}
		}
		MOVQ(U32(runCols), run)
		CMPQ(left, run)
		CMOVQLT(left, run)
		SUBQ(run, left)
		unroll := 2 * len(streams) // a multiple of the chains
		SUBQ(U8(unroll), run)
		JLT(LabelRef("rest"))
		Label("columns")
		k.eachStream(streams, func(t *stream) {
			k.prefetch(t.pair, 0, unroll*16*k.Bytes/panels.PlaneBytes)
			for c := range unroll {
				k.column(s, t.pair, c, t.chains[c%len(t.chains)])
			}
		})
		k.advance(streams, unroll)
		SUBQ(U8(unroll), run)
		JGE(LabelRef("columns"))
		Label("rest")
		ADDQ(U8(unroll), run)
		JZ(LabelRef("sum"))
		isa.Repeat("column", run, 1, func() {
			k.eachStream(streams, func(t *stream) { k.column(s, t.pair, 0, t.chains[0]) })
			k.advance(streams, 1)
		})
		Label("sum")
		k.eachStream(streams, func(t *stream) {
			for step := len(t.chains) / 2; step > 0; step /= 2 {
				for c := range step {
					for i, row := range t.chains[c] {
						for r, v := range row {
							VADDPS(t.chains[c+step][i][r], v, v)
						}
					}
				}
			}
			k.addResults(s, func() {
				loadDst()
				for i := 0; t != &streams[i]; i++ {
					ADDQ(k.arg(panels.ArgStreamDst), k.dst)
				}
			}, begun, t.chains[0])
		})
		MOVL(U32(1), begun.As32())
		TESTQ(left, left)
		JNZ(LabelRef("run"))
	})
	isa.End()
}

// column adds the products of the column that is c columns ahead in a stream.
func (k *kernel) column(s *isa.ISA, stream reg.Register, c int, to sums) {
	w := s.Vecs(s.Regs())
	for r, v := range w {
		m := Mem{Base: stream, Disp: (c*16 + r*s.Lanes) * k.Bytes}
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
func (k *kernel) advance(streams []stream, n int) {
	for _, t := range streams {
		ADDQ(U32(n*16*k.Bytes), t.pair)
	}
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
	store := isa.NewLabel("store")
	TESTQ(begun, begun)
	JZ(LabelRef(store))
	each(func(v reg.VecVirtual, m Mem) { VADDPS(m, v, v) })
	Label(store)
	each(func(v reg.VecVirtual, m Mem) { VMOVUPS(v, m) })
}

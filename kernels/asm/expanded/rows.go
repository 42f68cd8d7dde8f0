package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
	"qgo/kernels/asm/panels"
)

// rowsAtOnce are the numbers of rows of activations that are multiplied
// together. Eight have 16 sums, each of which waits for its last product for
// less time than the others take; a pair of weights is loaded once for all. With
// AVX2 there are registers for the sums of six.
func rowsAtOnce(s *isa.ISA) []int {
	if s.Wide() {
		return []int{8, 4, 2, 1}
	}
	return []int{6, 4, 2, 1}
}

// rows is a function of a panel.TileArgs that is being generated: the product of rows of
// activations with two panels of weights.
type rows struct {
	isa                                    *isa.ISA
	args, x, dst, left, xStride, dstStride reg.Register
	xStride3, dstAt                        reg.GPVirtual
	xRow, xRow4                            reg.GPVirtual // at the activations of the first row and of the fifth
	w                                      [2]reg.GPVirtual
	count                                  reg.GPVirtual // of rows that are left
	sums                                   []reg.Register
	vectors                                [2]vector // of weights, that are being multiplied
	number, tmp                            reg.Register
}

// vector is 16 rows of weights, a panel, or with AVX2 half of them.
type vector struct {
	panel, offset int
	reg           reg.Register // a pair of columns
}

func newRows(s *isa.ISA) *rows {
	k := &rows{isa: s, args: isa.Arg("a"), x: GP64(), dst: GP64(), left: GP64(), xStride: GP64(), dstStride: GP64()}
	k.xStride3, k.dstAt, k.xRow, k.xRow4, k.count = GP64(), GP64(), GP64(), GP64(), GP64()
	k.w = [2]reg.GPVirtual{GP64(), GP64()}
	MOVQ(k.at(panels.TileArgX), k.x)
	MOVQ(k.at(panels.TileArgDst), k.dst)
	MOVQ(k.at(panels.TileArgRows), k.count)
	MOVQ(k.at(panels.TileArgXStride), k.xStride)
	MOVQ(k.at(panels.TileArgDstStride), k.dstStride)
	LEAQ(Mem{Base: k.xStride, Index: k.xStride, Scale: 2}, k.xStride3)
	return k
}

// at is an argument.
func (k *rows) at(offset int) Mem { return Mem{Base: k.args, Disp: offset} }

// each generates a loop over all rows for each number that is multiplied together, and with
// AVX2 for each panel.
func (k *rows) each(multiply func(n int)) {
	v := registers(k.isa)
	last := len(v) - 1
	k.number, k.tmp = v[last-1], v[last]
	first, second := v[last-3], v[last-2]
	for _, n := range rowsAtOnce(k.isa) {
		k.sums = v[:2*n]
		name := fmt.Sprint("rows", n)
		Label(name)
		CMPQ(k.count, U8(n))
		JLT(LabelRef(name + "End"))
		for p := range k.w {
			MOVQ(k.at(panels.TileArgWeights+8*p), k.w[p])
		}
		if k.isa.Wide() {
			k.vectors = [2]vector{{0, 0, first}, {1, 0, second}}
			k.firstColumns(n)
			multiply(n)
		} else {
			for p := range k.w {
				k.vectors = [2]vector{{p, 0, first}, {p, lineBytes / 2, second}}
				k.firstColumns(n)
				multiply(n)
			}
		}
		tmp := GP64()
		for _, step := range []struct{ stride, address reg.Register }{{k.xStride, k.x}, {k.dstStride, k.dst}} {
			IMUL3Q(U8(n), step.stride, tmp)
			ADDQ(tmp, step.address)
		}
		SUBQ(U8(n), k.count)
		JMP(LabelRef(name))
		Label(name + "End")
	}
}

// firstColumns points to the activations of the first columns.
func (k *rows) firstColumns(n int) {
	MOVQ(k.x, k.xRow)
	if n > 4 {
		LEAQ(Mem{Base: k.x, Index: k.xStride, Scale: 4}, k.xRow4)
	}
}

// eachWeights does something with each vector of weights, so many bytes behind the current ones.
func (k *rows) eachWeights(offset int, do func(v reg.Register, at Mem)) {
	for _, v := range k.vectors {
		do(v.reg, Mem{Base: k.w[v.panel], Disp: offset + v.offset})
	}
}

// skipWeights goes on by so many bytes in the panels.
func (k *rows) skipWeights(bytes int) {
	for p := range k.w {
		if p == k.vectors[0].panel || p == k.vectors[1].panel {
			ADDQ(U32(bytes), k.w[p])
		}
	}
}

// activation is what stands so many bytes behind the current activations of row i.
func (k *rows) activation(i, offset int) Mem {
	m := Mem{Base: k.xRow, Disp: offset}
	if i >= 4 {
		m.Base = k.xRow4
	}
	switch i % 4 {
	case 1, 2:
		m.Index, m.Scale = k.xStride, uint8(i%4)
	case 3:
		m.Index, m.Scale = k.xStride3, 1
	}
	return m
}

// skip goes on by so many bytes in all rows of activations.
func (k *rows) skip(n, bytes int) {
	ADDQ(U8(bytes), k.xRow)
	if n > 4 {
		ADDQ(U8(bytes), k.xRow4)
	}
}

// eachResult does something with the sum and the results of each of n rows and both vectors.
func (k *rows) eachResult(n int, do func(i, v int, sum reg.Register, dst Mem)) {
	MOVQ(k.dst, k.dstAt)
	for i := range n {
		for v, w := range k.vectors {
			do(i, v, k.sums[2*i+v], Mem{Base: k.dstAt, Disp: w.panel*lineBytes + w.offset})
		}
		if i+1 < n {
			ADDQ(k.dstStride, k.dstAt)
		}
	}
}

// ifAdding generates what is done only where products are added to the results that stand
// there, or without adding only where they are not.
func (k *rows) ifAdding(adding bool, do func()) {
	end := isa.NewLabel("begin")
	CMPQ(k.at(panels.TileArgAdd), U8(0))
	if adding {
		JEQ(LabelRef(end))
	} else {
		JNE(LabelRef(end))
	}
	do()
	Label(end)
}

// unroll is the number of pairs of columns between two jumps.
const unroll = 4

// products adds the products of some pairs of columns to the sums, two for each row.
func (k *rows) products(n int, dot func(x, w, sum reg.Register)) {
	for pair := range unroll {
		k.eachWeights(pair*lineBytes, func(w reg.Register, at Mem) { VMOVUPS(at, w) })
		for i := range n {
			VPBROADCASTD(k.activation(i, 4*pair), k.number)
			for v, w := range k.vectors {
				dot(k.number, w.reg, k.sums[2*i+v])
			}
		}
	}
	k.skipWeights(unroll * lineBytes)
	k.skip(n, 4*unroll)
}

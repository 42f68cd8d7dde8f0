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
// less time than the others take; a pair of weights is loaded once for all.
var rowsAtOnce = []int{8, 4, 2, 1}

// rows is a function of a panel.TileArgs that is being generated: the product of rows of
// activations with two panels of weights.
type rows struct {
	args, x, dst, left, xStride, dstStride reg.Register
	xStride3, dstAt                        reg.GPVirtual
	xRow, xRow4                            reg.GPVirtual // at the activations of the first row and of the fifth
	w                                      [2]reg.GPVirtual
	count                                  reg.GPVirtual // of rows that are left
}

func newRows() *rows {
	k := &rows{args: isa.Arg("a"), x: GP64(), dst: GP64(), left: GP64(), xStride: GP64(), dstStride: GP64()}
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

// each generates a loop over all rows for each number that is multiplied together.
func (k *rows) each(multiply func(n int)) {
	for _, n := range rowsAtOnce {
		name := fmt.Sprint("rows", n)
		Label(name)
		CMPQ(k.count, U8(n))
		JLT(LabelRef(name + "End"))
		for p := range k.w {
			MOVQ(k.at(panels.TileArgWeights+8*p), k.w[p])
		}
		MOVQ(k.x, k.xRow)
		LEAQ(Mem{Base: k.x, Index: k.xStride, Scale: 4}, k.xRow4)
		multiply(n)
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
func (k *rows) skip(bytes int) {
	ADDQ(U8(bytes), k.xRow)
	ADDQ(U8(bytes), k.xRow4)
}

// eachResult does something with the results of n rows and both panels.
func (k *rows) eachResult(n int, do func(i, p int, dst Mem)) {
	MOVQ(k.dst, k.dstAt)
	for i := range n {
		for p := range k.w {
			do(i, p, Mem{Base: k.dstAt, Disp: p * lineBytes})
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
func (k *rows) products(n int, sums []reg.Register, dot func(x, w, sum reg.Register)) {
	for pair := range unroll {
		weights, number := z[28:30], z[30]
		for p := range k.w {
			VMOVDQU32(Mem{Base: k.w[p], Disp: pair * lineBytes}, weights[p])
		}
		for i := range n {
			VPBROADCASTD(k.activation(i, 4*pair), number)
			for p := range k.w {
				dot(number, weights[p], sums[2*i+p])
			}
		}
	}
	for p := range k.w {
		ADDQ(U32(unroll*lineBytes), k.w[p])
	}
	k.skip(4 * unroll)
}

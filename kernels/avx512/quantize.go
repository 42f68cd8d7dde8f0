//go:build amd64 && !noasm

package avx512

import "qgo/tensor"

//go:generate go -C ../asm run ./quantize -out ../avx512/quantize_amd64.s

// quantize quantises n times 256 values.
//
//go:noescape
func quantize(x *float32, dst *tensor.Block, n int)

// quantizeBlocks is the number of blocks that the kernel does at a time.
const quantizeBlocks = 8

// Quantize is [generic.Quantize].
func Quantize(x []float32, dst []tensor.Block) {
	n := len(dst)
	if n == 0 {
		return
	}
	x = x[:n*tensor.BlockLen]
	if n < quantizeBlocks { // filled up with zeros
		var values [quantizeBlocks * tensor.BlockLen]float32
		var blocks [quantizeBlocks]tensor.Block
		copy(values[:], x)
		quantize(&values[0], &blocks[0], 1)
		copy(dst, blocks[:])
		return
	}
	quantize(&x[0], &dst[0], n/quantizeBlocks)
	if n%quantizeBlocks != 0 { // the last ones, some of them once more
		n -= quantizeBlocks
		quantize(&x[n*tensor.BlockLen], &dst[n], 1)
	}
}

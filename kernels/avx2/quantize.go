//go:build amd64 && !noasm

package avx2

import "qgo/tensor"

//go:generate go -C ../asm run ./quantize -isa avx2 -out ../avx2/quantize_amd64.s

// quantize quantises n times 128 values.
//
//go:noescape
func quantize(x *float32, dst *tensor.Block, n int)

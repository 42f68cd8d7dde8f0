//go:build amd64 && !noasm

package avx512

import "qgo/tensor"

//go:generate go -C ../asm run ./quantize -isa avx512 -out ../avx512/quantize_amd64.s

// quantize quantises n times 256 values.
//
//go:noescape
func quantize(x *float32, dst *tensor.Block, n int)

// Package avx512 holds the kernels for amd64 with AVX-512 (F, BW, DQ, VL).
package avx512

//go:generate go -C ../asm run ./matmul -isa avx512 -vnni -package avx512 -table ../avx512/matmul_vnni_amd64.go -out ../avx512/matmul_vnni_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx512 -floats -package avx512 -table ../avx512/floats_amd64.go -out ../avx512/floats_amd64.s
//go:generate go -C ../asm run ./vector -isa avx512 -out ../avx512/vector_amd64.s -stubs ../avx512/vector_stub_amd64.go -pkg avx512
//go:generate go -C ../asm run ./expanded -isa avx512 -out ../avx512/expanded_amd64.s
//go:generate go -C ../asm run ./quantize -isa avx512 -out ../avx512/quantize_amd64.s
//go:generate go -C ../asm run ./attention -isa avx512 -out ../avx512/attention_amd64.s -stubs ../avx512/attention_stub_amd64.go -pkg avx512

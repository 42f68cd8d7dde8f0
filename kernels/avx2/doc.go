// Package avx2 holds the kernels for amd64 with AVX2, FMA, F16C and BMI2.
package avx2

//go:generate go -C ../asm run ./matmul -isa avx2 -package avx2 -table ../avx2/matmul_amd64.go -out ../avx2/matmul_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx2 -vnni -package avx2 -table ../avx2/matmul_vnni_amd64.go -out ../avx2/matmul_vnni_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx2 -words -package avx2 -table ../avx2/matmul_words_amd64.go -out ../avx2/matmul_words_amd64.s
//go:generate go -C ../asm run ./matmul -isa avx2 -floats -package avx2 -table ../avx2/floats_amd64.go -out ../avx2/floats_amd64.s
//go:generate go -C ../asm run ./vector -isa avx2 -out ../avx2/vector_amd64.s -stubs ../avx2/vector_stub_amd64.go -pkg avx2
//go:generate go -C ../asm run ./quantize -isa avx2 -out ../avx2/quantize_amd64.s
//go:generate go -C ../asm run ./attention -isa avx2 -out ../avx2/attention_amd64.s -stubs ../avx2/attention_stub_amd64.go -pkg avx2
//go:generate go -C ../asm run ./expanded -isa avx2 -out ../avx2/expanded_amd64.s

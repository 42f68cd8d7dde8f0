// Package neon holds the kernels for arm64: for every CPU (ARMv8.0, whose
// model is the Cortex-A57), and for those with products of bytes.
package neon

//go:generate go -C ../asm run ./neon -kernels matmul -out ../neon/matmul_arm64.s -decls ../neon/matmul_arm64.go
//go:generate go -C ../asm run ./neon -kernels dot -out ../neon/matmul_dot_arm64.s -decls ../neon/matmul_dot_arm64.go
//go:generate go -C ../asm run ./neon -kernels i8mm -out ../neon/matmul_i8mm_arm64.s -decls ../neon/matmul_i8mm_arm64.go
//go:generate go -C ../asm run ./neon -kernels floats -out ../neon/floats_arm64.s -decls ../neon/floats_arm64.go
//go:generate go -C ../asm run ./neon -kernels vector -out ../neon/vector_arm64.s -decls ../neon/vector_arm64.go
//go:generate go -C ../asm run ./neon -kernels attention -out ../neon/attention_arm64.s -decls ../neon/attention_arm64.go
//go:generate go -C ../asm run ./neon -kernels quantize -out ../neon/quantize_arm64.s -decls ../neon/quantize_arm64.go

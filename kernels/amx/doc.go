// Package amx holds the kernels for amd64 with AMX, products of tiles: many rows
// of activations are multiplied in bfloat16, and attend so; few are multiplied in integers, as in
// package avx512.
package amx

//go:generate go -C ../asm run ./matmul -isa avx512 -bfloat -package amx -table ../amx/expand_amd64.go -out ../amx/expand_amd64.s
//go:generate go -C ../asm run ./amx -out ../amx/tiles_amd64.s
//go:generate go -C ../asm run ./split -out ../amx/split_amd64.s

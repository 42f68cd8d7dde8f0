package main

import (
	"bytes"
	"testing"

	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/isa"
)

// TestEncoding compares with what LLVM's assembler writes, but for the
// displacements that are always there.
func TestEncoding(t *testing.T) {
	for _, c := range []struct {
		text      string
		got, want []byte
	}{
		{"tileloadd 0(%rsi,%rcx), %tmm4", memoryCode(isa.PrefixF2, 4, reg.RSI, reg.RCX, 0), []byte{0xc4, 0xe2, 0x7b, 0x4b, 0x64, 0x0e, 0x00}},
		{"tileloadd 0(%r8,%rcx), %tmm5", memoryCode(isa.PrefixF2, 5, reg.R8, reg.RCX, 0), []byte{0xc4, 0xc2, 0x7b, 0x4b, 0x6c, 0x08, 0x00}},
		{"tileloadd 64(%r9,%r12), %tmm6", memoryCode(isa.PrefixF2, 6, reg.R9, reg.R12, 64), []byte{0xc4, 0x82, 0x7b, 0x4b, 0x74, 0x21, 0x40}},
		{"tileloadd 0(%r13,%r15), %tmm7", memoryCode(isa.PrefixF2, 7, reg.R13, reg.R15, 0), []byte{0xc4, 0x82, 0x7b, 0x4b, 0x7c, 0x3d, 0x00}},
		{"tilestored %tmm3, 64(%r11,%rbx)", memoryCode(isa.PrefixF3, 3, reg.R11, reg.RBX, 64), []byte{0xc4, 0xc2, 0x7a, 0x4b, 0x5c, 0x1b, 0x40}},
		{"tilezero %tmm3", zeroCode(3), []byte{0xc4, 0xe2, 0x7b, 0x49, 0xd8}},
		{"tilerelease", releaseCode(), []byte{0xc4, 0xe2, 0x78, 0x49, 0xc0}},
		{"ldtilecfg 136(%rdi)", configureCode(reg.RDI, 136), []byte{0xc4, 0xe2, 0x78, 0x49, 0x87, 0x88, 0, 0, 0}},
		{"tdpbf16ps %tmm6, %tmm5, %tmm2", multiplyCode(0x5c, isa.PrefixF3, 6, 5, 2), []byte{0xc4, 0xe2, 0x4a, 0x5c, 0xd5}},
		{"tdpbf16ps %tmm7, %tmm4, %tmm1", multiplyCode(0x5c, isa.PrefixF3, 7, 4, 1), []byte{0xc4, 0xe2, 0x42, 0x5c, 0xcc}},
		{"tdpbusd %tmm5, %tmm4, %tmm3", multiplyCode(0x5e, isa.Prefix66, 5, 4, 3), []byte{0xc4, 0xe2, 0x51, 0x5e, 0xdc}},
		{"vcvtne2ps2bf16 %zmm14, %zmm15, %zmm30", isa.EVEX512(0x72, isa.PrefixF2, 30, 15, 14), []byte{0x62, 0x42, 0x07, 0x48, 0x72, 0xf6}},
		{"vcvtne2ps2bf16 %zmm0, %zmm1, %zmm0", isa.EVEX512(0x72, isa.PrefixF2, 0, 1, 0), []byte{0x62, 0xf2, 0x77, 0x48, 0x72, 0xc0}},
		{"vcvtne2ps2bf16 %zmm31, %zmm16, %zmm9", isa.EVEX512(0x72, isa.PrefixF2, 9, 16, 31), []byte{0x62, 0x12, 0x7f, 0x40, 0x72, 0xcf}},
		{"vdpbf16ps %zmm12, %zmm12, %zmm3", isa.EVEX512(0x52, isa.PrefixF3, 3, 12, 12), []byte{0x62, 0xd2, 0x1e, 0x48, 0x52, 0xdc}},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s is % x, want % x", c.text, c.got, c.want)
		}
	}
}

//go:build !noasm

package probe

import (
	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/amx"
	"qgo/kernels/avx2"
	"qgo/kernels/avx512"
	"qgo/kernels/tier"
)

//go:generate go -C ../../kernels/asm run ./probe -isa avx2 -out ../../bench/probe/avx2_amd64.s -stubs ../../bench/probe/avx2_stub_amd64.go -pkg probe
//go:generate go -C ../../kernels/asm run ./probe -isa avx512 -out ../../bench/probe/avx512_amd64.s -stubs ../../bench/probe/avx512_stub_amd64.go -pkg probe
//go:generate go -C ../../kernels/asm run ./amx -peaks -out ../../bench/probe/amx_amd64.s -stubs ../../bench/probe/amx_stub_amd64.go -pkg probe

// native returns the kernels in assembler that this machine can run.
func native() (all []*Kernels) {
	if !avx2.ISA.Here() {
		return nil
	}
	if avx512.ISA.Here() {
		k := streams("avx512", copyNTAVX512, triadNTAVX512, readAVX512, readAheadAVX512, readQuartersAVX512)
		if amx.ISA.Here() {
			k.Peaks = append(k.Peaks,
				Peak{"int8", "TDPBUSD", 4 * 16 * 16 * 128, integer(dotTilesInt8), 4 * 64},
				Peak{"bf16", "TDPBF16PS", 4 * 16 * 16 * 64, float(dotTilesBF16), 4 * 32})
		} else if avx512.VNNI.Here() {
			k.Peaks = append(k.Peaks, Peak{"int8", "VPDPBUSD zmm", 12 * 128, integer(dotInt8AVX512), 12 * 4})
		} else {
			k.Peaks = append(k.Peaks, pairsAVX2)
		}
		if bf16.Here() && !amx.ISA.Here() {
			k.Peaks = append(k.Peaks, Peak{"bf16", "VDPBF16PS zmm", 12 * 64, float(dotBF16AVX512), 12 * 2})
		}
		k.Peaks = append(k.Peaks, Peak{"fp32", "VFMADD231PS zmm", 12 * 32, float(fmaAVX512), 12})
		all = append(all, k)
	}
	k := streams("avx2", copyNTAVX2, triadNTAVX2, readAVX2, readAheadAVX2, readQuartersAVX2)
	k.Peaks = []Peak{pairsAVX2, {"fp32", "VFMADD231PS ymm", 12 * 16, float(fmaAVX2), 12}}
	return append(all, k)
}

var bf16 = tier.ISA{Features: []cpuid.FeatureID{cpuid.AVX512BF16}, Base: &avx512.ISA}

var pairsAVX2 = Peak{"int8", "VPMADDUBSW ymm", 8 * 64, integer(dotInt8AVX2), 8 * 4}

// piece is the number of bytes that a call into assembler handles: Go cannot
// interrupt it.
const piece = 1 << 20

func streams(name string, copyNT func(dst, src *byte, n int), triadNT func(a, b, c *byte, n int), reads ...func(*byte, int) uint64) *Kernels {
	ways := make([]func([]byte) uint64, len(reads))
	for i, read := range reads {
		ways[i] = func(b []byte) (sum uint64) {
			for lo := 0; lo < len(b); lo += piece {
				sum += read(&b[lo], min(piece, len(b)-lo))
			}
			return sum
		}
	}
	return &Kernels{
		Name:  name,
		Reads: ways,
		Copy: func(dst, src []byte) {
			for lo := 0; lo < len(dst); lo += piece {
				copyNT(&dst[lo], &src[lo], min(piece, len(dst)-lo))
			}
		},
		Triad: func(a, b, c []byte) {
			for lo := 0; lo < len(a); lo += piece {
				triadNT(&a[lo], &b[lo], &c[lo], min(piece, len(a)-lo))
			}
		},
	}
}

func integer(f func(n int) int32) func(int) float64 {
	return func(n int) float64 { return float64(f(n)) }
}

func float(f func(n int) float32) func(int) float64 {
	return func(n int) float64 { return float64(f(n)) }
}

package panel

import "github.com/klauspost/cpuid/v2"

// ahead is how far in front of the weights that they multiply the kernels for
// amd64 ask for memory.
var ahead = aheadOn(&cpuid.CPU)

// aheadOn returns the distance for a CPU.
//
// The prefetchers of Intel's processors leave one thread at two thirds of what
// it can read, and all of them too: decoding on a Sapphire Rapids is 1.4 to 1.7
// times as fast with this distance, and 1.2 to 1.3 times with 1 KB. A Zen 3 gains
// from 1 KB on, with one thread 1.1 to 1.4 times, and nothing from more. A Zen 4
// reads as fast as it can without being asked, and to ask for memory from 1 KB
// on costs it 5 to 30 %. There the kernels ask for what they are about to read, which
// costs nothing.
func aheadOn(cpu *cpuid.CPUInfo) int {
	switch {
	case cpu.VendorID == cpuid.Intel:
		return 8 << 10
	case beforeZen4(cpu):
		return 1 << 10
	}
	return 0
}

// StreamsHere is the number of streams of integer weights that one thread should read on this CPU, and
// WideStreamsHere that of floating-point ones with AVX-512.
var (
	StreamsHere     = streamsOn(&cpuid.CPU)
	WideStreamsHere = wideStreamsOn(&cpuid.CPU)
)

// streamsOn returns it for a CPU.
//
// A Zen 3 reads more if there are two streams for its prefetchers to follow: decode with one
// thread is 1.1 times as fast as with one stream. Three or four brought two threads no more. A
// Sapphire Rapids that is asked for memory far ahead gains nothing.
func streamsOn(cpu *cpuid.CPUInfo) int {
	if beforeZen4(cpu) {
		return 2
	}
	return 1
}

// wideStreamsOn returns it for a CPU.
//
// One thread of a Zen 5 decodes float16 1.2 to 1.4 times as fast with four streams as with one. Integer weights
// gain 3 % at the most, with two, and lose with four.
func wideStreamsOn(cpu *cpuid.CPUInfo) int {
	const zen5 = 26 // the family
	if cpu.VendorID == cpuid.AMD && cpu.Family >= zen5 {
		return 4
	}
	return 1
}

// beforeZen4 reports whether a CPU is an AMD one without AVX-512.
func beforeZen4(cpu *cpuid.CPUInfo) bool {
	return cpu.VendorID == cpuid.AMD && !cpu.Supports(cpuid.AVX512F)
}

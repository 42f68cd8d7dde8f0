// Package probe holds the loops that measure what a machine can do at most:
// streams through memory, and multiplications and additions in registers. It
// keeps no time; package bench does.
package probe

// Align is what lengths of memory must be a multiple of, in bytes, and
// addresses of 64.
const Align = 512

// Kernels are the probes for one level of instruction set.
type Kernels struct {
	Name string
	// Reads are ways to read memory, each of which returns a sum of 64-bit words of b. Which of
	// them reads most in a second depends on the machine's prefetchers.
	Reads []func(b []byte) uint64
	// Copy copies src to dst, of the same length, past the caches where the
	// machine can.
	Copy func(dst, src []byte)
	// Triad writes b + 3*c to a as float32 values, past the caches likewise.
	// It is that of STREAM (McCalpin 1995, "Memory bandwidth and machine
	// balance in current high performance computers").
	Triad func(a, b, c []byte)
	Peaks []Peak // the highest first
}

// Peak is a loop of multiplications and additions whose operands stay in
// registers.
type Peak struct {
	Type        string // of the numbers multiplied: int8, bf16 or fp32
	Instruction string
	Ops         int // of a round; a multiplication and its addition are two
	// Run does rounds and returns what one lane has added up, which is Lane
	// times rounds.
	Run  func(rounds int) float64
	Lane int
}

// All returns the kernels that this machine can run, fastest first. They heed
// the environment variables that take away instruction sets; see package tier.
func All() []*Kernels { return append(native(), portable()) }

// Best returns the fastest of them.
func Best() *Kernels { return All()[0] }

// Package quant is the table of tensor types of GGUF files: what a block of each
// holds, and how kernels see it. Everything that differs from type to type and
// can be said in numbers stands here, and only here: package codec, the layouts
// for the CPU (kernels/panel) and for GPUs (kernels/cuda), and the generators of
// kernels read it. The functions that take a block apart are in package codec.
//
// A block is a few bytes that hold 32 or 256 weights: a scale, for some types a
// minimum, and one small integer for each weight. The layouts are those of
// ggml's ggml-common.h.
package quant

import (
	"fmt"
	"slices"
	"strings"
)

// Type is a ggml tensor type; its values are those in GGUF files.
type Type uint32

// The types that qgo computes with. A type's constant and its row in the table
// below are all that this package needs to know.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ3_S  Type = 21
	IQ4_XS Type = 23
	BF16   Type = 30
	MXFP4  Type = 39
)

var formats = [...]Format{
	F32:  {Name: "F32", Len: 1, Bytes: 4, Exponent: 0x7f80},
	F16:  {Name: "F16", Len: 1, Bytes: 2, Exponent: 0x7c00},
	BF16: {Name: "BF16", Len: 1, Bytes: 2, Exponent: 0x7f80},

	Q4_0:   {Name: "Q4_0", Len: 32, Bytes: 18, Halves: []int{0}, Low: 4, Offset: 8, InOrder: true, Group: 32},
	Q4_1:   {Name: "Q4_1", Len: 32, Bytes: 20, Halves: []int{0, 2}, Low: 4, InOrder: true, Group: 32, Minima: true},
	Q5_0:   {Name: "Q5_0", Len: 32, Bytes: 22, Halves: []int{0}, Low: 4, High: 1, Offset: 16, InOrder: true, Group: 32},
	Q5_1:   {Name: "Q5_1", Len: 32, Bytes: 24, Halves: []int{0, 2}, Low: 4, High: 1, InOrder: true, Group: 32, Minima: true},
	Q8_0:   {Name: "Q8_0", Len: 32, Bytes: 34, Halves: []int{0}, Low: 8, Offset: 128, InOrder: true, Group: 32},
	IQ4_NL: {Name: "IQ4_NL", Len: 32, Bytes: 18, Halves: []int{0}, Low: 4, Offset: 128, InOrder: true, Group: 32, Levels: &iq4nl},

	Q2_K: {Name: "Q2_K", Len: 256, Bytes: 84, Halves: []int{80, 82}, Low: 2, LowAt: inTurn(16, 2), Group: 16, Minima: true, Super: true},
	Q3_K: {Name: "Q3_K", Len: 256, Bytes: 110, Halves: []int{108}, Low: 2, LowAt: inTurn(32, 2), High: 1, HighAt: inTurn(0, 1), Offset: 4, Group: 16, Super: true},
	Q4_K: {Name: "Q4_K", Len: 256, Bytes: 144, Halves: []int{0, 2}, Low: 4, LowAt: inTurn(16, 4), Group: 32, Minima: true, Super: true},
	Q5_K: {Name: "Q5_K", Len: 256, Bytes: 176, Halves: []int{0, 2}, Low: 4, LowAt: inTurn(48, 4), High: 1, HighAt: inTurn(16, 1), Group: 32, Minima: true, Super: true},
	Q6_K: {Name: "Q6_K", Len: 256, Bytes: 210, Halves: []int{208}, Low: 4, LowAt: lowQ6_K, High: 2, HighAt: inTurn(128, 2), Offset: 32, Group: 16, Super: true},

	IQ4_XS: {Name: "IQ4_XS", Len: 256, Bytes: 136, Halves: []int{0}, Words: []int{2}, Low: 4, Offset: 128, Group: 32, Super: true, Levels: &iq4nl},

	// In plain Go only.
	IQ3_S: {Name: "IQ3_S", Len: 256, Bytes: 110, Halves: []int{0}, Offset: 128, Group: 32},
	MXFP4: {Name: "MXFP4", Len: 32, Bytes: 17, Offset: 128, Group: 32, Levels: &mxfp4},
}

// lowQ6_K is where the low bits of Q6_K stand: two runs of 32 bytes hold those of four
// times 32 weights.
var lowQ6_K = []Run{{0, 0}, {32, 0}, {0, 4}, {32, 4}, {64, 0}, {96, 0}, {64, 4}, {96, 4}}

// inTurn returns where bits stand that fill a run of 32 bytes from its lowest bits to
// its highest and then the next one, from a byte of the block on.
func inTurn(from, bits int) []Run {
	runs := make([]Run, 256/32)
	for i := range runs {
		runs[i] = Run{from + 32*(i*bits/8), i * bits % 8}
	}
	return runs
}

// iq4nl are the values of the codes of IQ4_NL and IQ4_XS (kvalues_iq4nl in ggml).
var iq4nl = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// mxfp4 are twice the values of the codes of MXFP4 (kvalues_mxfp4 in ggml).
var mxfp4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// Count is above the number of every type, for tables of them.
const Count = Type(len(formats))

// Format is a row of the table.
type Format struct {
	Name       string
	Len, Bytes int // weights in a block, and its size

	// Exponent masks the exponent in the last 16 bits of a weight that is a
	// floating-point number; with all of it set, the number is not finite. It is
	// 0 for integer types.
	Exponent uint16

	// What follows is for integer types. Their weights are
	//
	//	scale · (code − Offset) + minimum
	//
	// with a scale and a minimum for each Group of weights.
	Halves    []int // where the float16 numbers of a block stand: of the scale, and of the minimum if there is one
	Words     []int // where its integers of 16 bits stand
	Low, High int   // bits of a code that kernels keep in their first and in their second planes; 0 if there are no kernels
	// LowAt and HighAt say where those bits stand in a block of a K-quant, for each 32
	// weights.
	LowAt, HighAt []Run
	Offset        int  // a power of two, or 0
	Group         int  // 16 or 32; a scale of more weights is that of each group
	Minima        bool // there is a minimum
	// InOrder says that a block is its Halves, the high bits of its codes and
	// their low ones, in the order in which panels have them, so that they are
	// copied. Without it they are taken apart, which is right for every type.
	InOrder bool
	Super   bool // scales and minima are those of the block times small integers of groups, as in the K-quants

	// Levels are what the codes in a file stand for, less Offset, where that
	// is not their value.
	Levels *[16]int8
}

// Run is where some bits of the codes of 32 weights stand: those of the first in byte
// Byte of the block, from its bit Shift on, and those of the others in the bytes after
// it.
type Run struct{ Byte, Shift int }

// CodeBits is the number of bits that a code has when it is multiplied.
func (f *Format) CodeBits() int {
	if f.Levels != nil || f.Low == 0 {
		return 8
	}
	return f.Low + f.High
}

// Format returns the type's row of the table, which is not to be changed.
func (t Type) Format() *Format { return &formats[t] }

// Types returns all types, by number.
func Types() []Type {
	var all []Type
	for t := range formats {
		if Type(t).Valid() {
			all = append(all, Type(t))
		}
	}
	return all
}

// Valid reports whether t is one of the types that qgo knows. The other
// methods are for valid types only, but for String.
func (t Type) Valid() bool { return int(t) < len(formats) && formats[t].Len > 0 }

// others are the names of ggml's types that qgo does not know, those that ggml
// itself has given up included (enum ggml_type in ggml.h).
var others = map[Type]string{
	4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 22: "IQ2_S",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
	31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0",
	36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0",
}

// String returns the name that ggml gives the type, such as Q4_0, whether or
// not it is valid.
func (t Type) String() string {
	if t.Valid() {
		return formats[t].Name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type number %d", uint32(t))
}

// Integer reports whether weights of type t are integer codes with scales, and
// not floating-point numbers.
func (t Type) Integer() bool { return t.Valid() && formats[t].Exponent == 0 }

// HasKernels reports whether there are kernels for weights of type t on every
// device. Without, they are taken apart and multiplied in plain Go.
func (t Type) HasKernels() bool { return t.Valid() && (!t.Integer() || formats[t].Low > 0) }

// BlockLen is the number of weights in a block.
func (t Type) BlockLen() int { return formats[t].Len }

// BlockBytes is the size of a block.
func (t Type) BlockBytes() int { return formats[t].Bytes }

// RowBytes is the size of n weights, a multiple of BlockLen.
func (t Type) RowBytes(n int) int { return n / formats[t].Len * formats[t].Bytes }

// Bits is the number of bits that a weight takes, scales included.
func (t Type) Bits() float64 { return 8 * float64(formats[t].Bytes) / float64(formats[t].Len) }

// ParseType returns the type of that name in upper or lower case.
func ParseType(s string) (Type, error) {
	var names []string
	for _, t := range Types() {
		if strings.EqualFold(s, t.String()) {
			return t, nil
		}
		names = append(names, t.String())
	}
	return 0, fmt.Errorf("no tensor type %q; there are %s", s, strings.Join(names, ", "))
}

// ByteSwap turns whole blocks of a big-endian file into little-endian ones, or
// back, in place.
func ByteSwap(t Type, data []byte) {
	f := &formats[t]
	for ; len(data) >= f.Bytes; data = data[f.Bytes:] {
		if !t.Integer() {
			slices.Reverse(data[:f.Bytes])
		}
		for _, i := range slices.Concat(f.Halves, f.Words) {
			data[i], data[i+1] = data[i+1], data[i]
		}
	}
}

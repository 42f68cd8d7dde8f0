// Package quant is the block formats of GGUF files: their sizes, exact
// dequantisation, quantisation, and the choice of a format per tensor.
//
// A block is a few bytes that hold 32 or 256 weights: a scale, for some
// formats a minimum, and one small integer for each weight. The layouts are
// those of ggml's ggml-common.h.
package quant

import (
	"fmt"
	"strings"
)

// Type is a ggml tensor type; its values are those in GGUF files.
type Type uint32

// The types that qgo computes with.
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
	BF16   Type = 30
)

// format describes a block: the weights and bytes in it, and where its 16-bit
// numbers stand, which a big-endian file has the other way round.
type format struct {
	name       string
	len, bytes int
	words      []int
}

var formats = [...]format{
	F32:    {"F32", 1, 4, nil},
	F16:    {"F16", 1, 2, []int{0}},
	BF16:   {"BF16", 1, 2, []int{0}},
	Q4_0:   {"Q4_0", 32, 18, []int{0}},
	Q4_1:   {"Q4_1", 32, 20, []int{0, 2}},
	Q5_0:   {"Q5_0", 32, 22, []int{0}},
	Q5_1:   {"Q5_1", 32, 24, []int{0, 2}},
	Q8_0:   {"Q8_0", 32, 34, []int{0}},
	Q2_K:   {"Q2_K", 256, 84, []int{80, 82}},
	Q3_K:   {"Q3_K", 256, 110, []int{108}},
	Q4_K:   {"Q4_K", 256, 144, []int{0, 2}},
	Q5_K:   {"Q5_K", 256, 176, []int{0, 2}},
	Q6_K:   {"Q6_K", 256, 210, []int{208}},
	IQ4_NL: {"IQ4_NL", 32, 18, []int{0}},
}

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
func (t Type) Valid() bool { return int(t) < len(formats) && formats[t].len > 0 }

// others are the names of ggml's types that qgo does not know, those that ggml
// itself has given up included (enum ggml_type in ggml.h).
var others = map[Type]string{
	4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
	31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0",
	36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0",
}

// String returns the name that ggml gives the type, such as Q4_0, whether or
// not it is valid.
func (t Type) String() string {
	if t.Valid() {
		return formats[t].name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type number %d", uint32(t))
}

// BlockLen is the number of weights in a block.
func (t Type) BlockLen() int { return formats[t].len }

// BlockBytes is the size of a block.
func (t Type) BlockBytes() int { return formats[t].bytes }

// RowBytes is the size of n weights, a multiple of BlockLen.
func (t Type) RowBytes(n int) int { return n / formats[t].len * formats[t].bytes }

// Bits is the number of bits that a weight takes, scales included.
func (t Type) Bits() float64 { return 8 * float64(formats[t].bytes) / float64(formats[t].len) }

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
	for ; len(data) >= f.bytes; data = data[f.bytes:] {
		if t == F32 {
			data[0], data[1], data[2], data[3] = data[3], data[2], data[1], data[0]
		}
		for _, i := range f.words {
			data[i], data[i+1] = data[i+1], data[i]
		}
	}
}

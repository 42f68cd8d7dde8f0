package quant

import (
	"fmt"
	"strings"
)

// A Mix is a recipe that gives each matrix of a model its type, under the
// names that llama-quantize uses: "q4_0", "q4_k_m" and so on.
type Mix struct {
	Name     string
	FileType uint32 // general.file_type in GGUF metadata
	Base     Type   // of most matrices
}

var mixes = []Mix{
	{"f32", 0, F32},
	{"f16", 1, F16},
	{"bf16", 32, BF16},
	{"q2_k", 10, Q2_K},
	{"q3_k_m", 12, Q3_K},
	{"q4_0", 2, Q4_0},
	{"q4_1", 3, Q4_1},
	{"q4_k_m", 15, Q4_K},
	{"q5_0", 8, Q5_0},
	{"q5_1", 9, Q5_1},
	{"q5_k_m", 17, Q5_K},
	{"q6_k", 18, Q6_K},
	{"q8_0", 7, Q8_0},
	{"iq4_nl", 25, IQ4_NL},
	{"iq4_xs", 30, IQ4_XS},
}

// Mixes returns all recipes.
func Mixes() []Mix { return append([]Mix(nil), mixes...) }

// ParseMix returns the recipe of that name in upper or lower case.
func ParseMix(name string) (Mix, error) {
	var names []string
	for _, m := range mixes {
		if strings.EqualFold(m.Name, name) {
			return m, nil
		}
		names = append(names, m.Name)
	}
	if t, err := ParseType(name); err == nil {
		return Mix{}, fmt.Errorf("%v is read, but not written; choose one of %s", t, strings.Join(names, ", "))
	}
	return Mix{}, fmt.Errorf("no quantisation %q; choose one of %s", name, strings.Join(names, ", "))
}

// MixOf returns the recipe with that general.file_type.
func MixOf(fileType uint32) (Mix, bool) {
	for _, m := range mixes {
		if m.FileType == fileType {
			return m, true
		}
	}
	return Mix{}, false
}

// Place is what a recipe looks at in a model.
type Place struct {
	Tensor string // name of the matrix without "blk.N.", such as "attn_v.weight"
	Block  int    // number of its transformer block
	Blocks int    // of the model
	Cols   int    // weights in a row
	Group  int    // query heads for each key head
	Tied   bool   // the embedding is the output head as well
}

// Type returns the type for the matrix at p. The rules are those of
// llama-quantize without an importance matrix (2025); a type whose blocks do
// not divide the rows gives way to one of about as many bits with blocks of
// 32, or to F16.
func (m Mix) Type(p Place) Type {
	if m.Base == F32 || m.Base == F16 || m.Base == BF16 {
		return m.Base
	}
	return fallback(m.wanted(p), p.Cols)
}

func (m Mix) wanted(p Place) Type {
	name := strings.TrimSuffix(p.Tensor, ".weight")
	if name == "output" || name == "token_embd" && p.Tied {
		if m.Base == Q8_0 || p.Cols%m.Base.BlockLen() != 0 {
			return Q8_0
		}
		return Q6_K
	}
	if name == "token_embd" {
		return m.Base
	}
	early := p.Block < p.Blocks/8
	// The blocks at both ends and every third between get more bits.
	more := early || p.Block >= 7*p.Blocks/8 || (p.Block-p.Blocks/8)%3 == 2
	type rule struct{ mix, tensor string }
	switch (rule{m.Name, name}) {
	case rule{"q2_k", "attn_v"}:
		if p.Group >= 4 {
			return Q4_K
		}
		return Q3_K
	case rule{"q2_k", "attn_output"}, rule{"q2_k", "ffn_down"}:
		return Q3_K
	case rule{"q3_k_m", "attn_v"}:
		if p.Block < 2 {
			return Q5_K
		}
		return Q4_K
	case rule{"q3_k_m", "attn_output"}:
		return Q4_K
	case rule{"q3_k_m", "ffn_down"}:
		if p.Block < p.Blocks/16 {
			return Q5_K
		}
		return Q4_K
	case rule{"q4_k_m", "attn_v"}, rule{"q4_k_m", "ffn_down"}, rule{"q5_k_m", "attn_v"}, rule{"q5_k_m", "ffn_down"}:
		if more {
			return Q6_K
		}
	case rule{"iq4_nl", "attn_v"}, rule{"iq4_xs", "attn_v"}:
		if p.Group >= 4 {
			return Q5_K
		}
	case rule{"iq4_nl", "ffn_down"}, rule{"iq4_xs", "ffn_down"}:
		if early {
			return Q5_K
		}
	}
	return m.Base
}

func fallback(t Type, cols int) Type {
	if cols%t.BlockLen() == 0 {
		return t
	}
	switch t {
	case Q2_K, Q3_K, IQ4_XS:
		t = IQ4_NL
	case Q4_K:
		t = Q5_0
	case Q5_K:
		t = Q5_1
	case Q6_K:
		t = Q8_0
	}
	if cols%t.BlockLen() == 0 {
		return t
	}
	return F16
}

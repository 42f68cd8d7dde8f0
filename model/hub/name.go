// Package hub gets model files from Hugging Face's hub, or a server that
// speaks its protocol, and keeps them in a cache directory.
package hub

import (
	"fmt"
	"slices"
	"strings"
)

// Name is a published Qwen2.5-Instruct model, such as "qwen2.5-0.5b:q4_0".
type Name struct{ Size, Quant string }

// What is published.
var (
	Sizes  = []string{"0.5b", "1.5b", "3b"}
	Quants = []string{"q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_0", "q5_k_m", "q6_k", "q8_0", "fp16"}
)

const family = "qwen2.5-"

// ParseName reads a name in upper or lower case. Without ":QUANT" it is
// q4_k_m.
func ParseName(text string) (Name, error) {
	size, quant, ok := strings.Cut(strings.ToLower(text), ":")
	if !ok {
		quant = "q4_k_m"
	}
	size, isQwen := strings.CutPrefix(size, family)
	size = strings.TrimSuffix(size, "-instruct")
	if !isQwen || !slices.Contains(Sizes, size) || !slices.Contains(Quants, quant) {
		return Name{}, fmt.Errorf("there is no model %q; a name is %sSIZE:TYPE with the size %s and the type %s, for example qwen2.5-0.5b:q4_0",
			text, family, strings.Join(Sizes, ", "), strings.Join(Quants, ", "))
	}
	return Name{size, quant}, nil
}

// Names returns all names.
func Names() (list []Name) {
	for _, s := range Sizes {
		for _, q := range Quants {
			list = append(list, Name{s, q})
		}
	}
	return list
}

func (n Name) String() string { return family + n.Size + ":" + n.Quant }

// repo is where the model is published.
func (n Name) repo() string {
	return "Qwen/Qwen2.5-" + strings.ToUpper(n.Size) + "-Instruct-GGUF"
}

// Stem is how the model's files begin; ".gguf" follows, or a part's number.
func (n Name) Stem() string { return family + n.Size + "-instruct-" + n.Quant }

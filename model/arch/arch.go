// Package arch is the table of the model families that qgo runs. Their blocks are
// alike: RMS norms before attention and before the feed-forward layer, grouped
// queries, rotary positions of pairs half a head apart, SwiGLU. What differs
// stands in a value for each family, in a file of its own.
package arch

import (
	"fmt"
	"strings"

	"qgo/model/sample"
)

// qwenTokens is the number of ordinary tokens of the vocabulary of Qwen's models.
const qwenTokens = 151643

// Arch is a family of models.
type Arch struct {
	Name  string // general.architecture in a file, and what its keys begin with
	Title string // what people call its models

	// Bias says that Q, K and V have biases, HeadNorm that each head of Q and K
	// goes through an RMSNorm before it is turned by its position.
	Bias, HeadNorm bool

	// Split is the name of the pre-tokeniser of its vocabulary
	// (tokenizer.ggml.pre), for files that name none.
	Split string

	// Tokens is the number of ordinary tokens of that vocabulary. A model with
	// fewer was not made from the family's weights.
	Tokens int

	// Stretch says how its models come to read more than they were trained for.
	Stretch string

	// Makers are those who have published models of it, with what they recommend
	// for sampling.
	Makers []Maker
}

// Maker is who published a model.
type Maker struct {
	// Name is a part of the model's name, in lower case without separators; the
	// first maker whose name is in it counts, and an empty one is in all.
	Name   string
	Source string // of the recommendation, in words
	Params sample.Params
}

// All are the families.
var All = []*Arch{&Qwen2, &Qwen3}

// Find returns the family of a file's general.architecture.
func Find(name string) (*Arch, bool) {
	for _, a := range All {
		if a.Name == name {
			return a, true
		}
	}
	return nil, false
}

// Expected says which there are, for an error about another one.
func Expected() string {
	var names, titles []string
	for _, a := range All {
		names, titles = append(names, fmt.Sprintf("%q", a.Name)), append(titles, a.Title)
	}
	return fmt.Sprintf("expected %s (%s)", strings.Join(names, " or "), strings.Join(titles, ", "))
}

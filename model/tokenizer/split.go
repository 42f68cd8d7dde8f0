package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// A pre-tokeniser cuts text into pieces; no token goes across their ends.
type preTokenizer struct {
	// names are those that files have for it (tokenizer.ggml.pre): vocabularies
	// of different models have names of their own and the same way.
	names []string
	// normalise makes of a text what is cut: at most three times as many bytes,
	// and at least a third of them.
	normalise func(text string) string
	// next returns the length of the first piece of a text that is not empty and
	// normalised.
	next func(text string) int
}

// preTokenizers are all that there are. The first is that of a [Vocab] that names
// none.
var preTokenizers = []preTokenizer{qwen2Split}

// preTokenizerOf returns the one of that name.
func preTokenizerOf(name string) (preTokenizer, bool) {
	if name == "" {
		return preTokenizers[0], true
	}
	for _, p := range preTokenizers {
		if slices.Contains(p.names, name) {
			return p, true
		}
	}
	return preTokenizer{}, false
}

// expectedSplit says which there are, for an error about another one.
func expectedSplit() string {
	var names []string
	for _, p := range preTokenizers {
		names = append(names, fmt.Sprintf("%q", p.names[0]))
	}
	return "expected a way of splitting text that qgo knows (" + strings.Join(names, ", ") + ")"
}

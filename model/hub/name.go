// Package hub gets model files from Hugging Face's hub, or a server that
// speaks its protocol, and keeps them in a cache directory.
package hub

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qgo/gguf/show"
)

// Name is an instruct model that Qwen publishes, such as "qwen2.5-0.5b:q4_0"
// or "qwen2.5-coder-7b:q4_k_m".
type Name struct {
	Coder       bool
	Size, Quant string
}

// What is published: repositories Qwen/Qwen2.5-7B-Instruct-GGUF and
// Qwen/Qwen2.5-Coder-7B-Instruct-GGUF, and so on. The files of the larger ones
// are split in parts.
var (
	Sizes      = []string{"0.5b", "1.5b", "3b", "7b", "14b", "32b", "72b"}
	CoderSizes = []string{"0.5b", "1.5b", "3b", "7b", "14b", "32b"}
	Quants     = []string{"q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_0", "q5_k_m", "q6_k", "q8_0", "fp16"}
)

const (
	family       = "qwen2.5-"
	coder        = "coder-"
	defaultQuant = "q4_k_m"
)

// parseName reads a name in upper or lower case. Without ":QUANT" it is
// q4_k_m.
func parseName(text string) (n Name, ok bool) {
	size, quant, ok := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	if !ok {
		quant = defaultQuant
	}
	if quant == "f16" { // as quantize calls it
		quant = "fp16"
	}
	size, isQwen := strings.CutPrefix(size, family)
	size, isCoder := strings.CutPrefix(size, coder)
	size = strings.TrimSuffix(size, "-instruct")
	sizes := Sizes
	if isCoder {
		sizes = CoderSizes
	}
	return Name{isCoder, size, quant}, isQwen && slices.Contains(sizes, size) && slices.Contains(Quants, quant)
}

// unknownName is the error for a name that is none: with the nearest of all
// names, and what there is.
func unknownName(text string) error {
	hint := ""
	if near := nearest(text, suggestions()); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	return fmt.Errorf("there is no model %s%s A name is %sSIZE:TYPE (SIZE %s) or %s%sSIZE:TYPE (up to %s) with TYPE %s; hf.co/USER/REPO:TYPE; or the address of a .gguf file",
		show.Quoted(withoutSecrets(text)), cmp.Or(hint, "."), family, strings.Join(Sizes, ", "), family, coder, CoderSizes[len(CoderSizes)-1], strings.Join(Quants, ", "))
}

// suggestions returns all names, with and without a type.
func suggestions() (list []string) {
	for _, n := range Names() {
		if n.Quant == Quants[0] {
			list = append(list, n.line()+n.Size)
		}
		list = append(list, n.String())
	}
	return list
}

// Names returns all names.
func Names() (list []Name) {
	for _, isCoder := range []bool{false, true} {
		sizes := Sizes
		if isCoder {
			sizes = CoderSizes
		}
		for _, s := range sizes {
			for _, q := range Quants {
				list = append(list, Name{isCoder, s, q})
			}
		}
	}
	return list
}

func (n Name) String() string { return n.line() + n.Size + ":" + n.Quant }

func (n Name) line() string {
	if n.Coder {
		return family + coder
	}
	return family
}

// repo is where the model is published.
func (n Name) repo() string {
	line := "Qwen2.5-"
	if n.Coder {
		line += "Coder-"
	}
	return "Qwen/" + line + strings.ToUpper(n.Size) + "-Instruct-GGUF"
}

// Stem is how the model's files begin; ".gguf" follows, or a part's number.
func (n Name) Stem() string { return n.line() + n.Size + "-instruct-" + n.Quant }

// nearest returns the text of list that begins with text, or the one with the
// fewest changes from it, or "" if none is near. It is not computed for a text
// much longer than any name.
func nearest(text string, list []string) string {
	const maxLen = 100
	text = strings.ToLower(text)
	if len(text) > maxLen {
		return ""
	}
	const begun = 8 // characters say which is meant
	if i := slices.IndexFunc(list, func(s string) bool { return len(text) >= begun && strings.HasPrefix(strings.ToLower(s), text) }); i >= 0 {
		return list[i]
	}
	best, least := "", max(2, len(text)/3)+1
	for _, s := range list {
		if d := changes(text, strings.ToLower(s)); d < least {
			best, least = s, d
		}
	}
	return best
}

// changes is the Levenshtein distance of two texts in bytes.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

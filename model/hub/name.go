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

// Line is a line of chat models that Qwen publishes as files. Those of the larger
// ones are split in parts.
type Line struct {
	Prefix string // of names; a size, and ":" and a type may follow
	Title  string
	Sizes  []string // rising
	Untied bool     // its files have an output head of their own

	repo, stem string              // formats: of the repository, and of what files begin with
	upper      bool                // sizes and types are in upper case in files' names
	quants     map[string][]string // of sizes that there are not all types of
}

// Lines are those that there are names for.
var Lines = []*Line{
	{
		Prefix: "qwen2.5-", Title: "Qwen2.5-Instruct", Sizes: []string{"0.5b", "1.5b", "3b", "7b", "14b", "32b", "72b"}, Untied: true,
		repo: "Qwen/Qwen2.5-%s-Instruct-GGUF", stem: "qwen2.5-%s-instruct-%s",
	},
	{
		Prefix: "qwen2.5-coder-", Title: "Qwen2.5-Coder-Instruct", Sizes: []string{"0.5b", "1.5b", "3b", "7b", "14b", "32b"}, Untied: true,
		repo: "Qwen/Qwen2.5-Coder-%s-Instruct-GGUF", stem: "qwen2.5-coder-%s-instruct-%s",
	},
	{
		Prefix: "qwen3-", Title: "Qwen3", Sizes: []string{"0.6b", "1.7b", "4b"},
		repo: "Qwen/Qwen3-%s-GGUF", stem: "Qwen3-%s-%s", upper: true,
		quants: map[string][]string{"0.6b": {"q8_0"}, "1.7b": {"q8_0"}, "4b": {"q4_k_m", "q5_0", "q5_k_m", "q6_k", "q8_0"}},
	},
}

// Quants are the types of files that Qwen publishes, in most lines all of them.
var Quants = []string{"q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_0", "q5_k_m", "q6_k", "q8_0", "fp16"}

// defaultQuant is the type that is meant if none is named and there is one.
const defaultQuant = "q4_k_m"

// quantsOf are the types of a size.
func (l *Line) quantsOf(size string) []string {
	if l.quants != nil {
		return l.quants[size]
	}
	return Quants
}

// usualQuant is the type that is meant if none is named.
func (l *Line) usualQuant(size string) string {
	if all := l.quantsOf(size); !slices.Contains(all, defaultQuant) {
		return all[len(all)-1]
	}
	return defaultQuant
}

// Name is a model of a line, such as "qwen2.5-0.5b:q4_0" or
// "qwen2.5-coder-7b:q4_k_m".
type Name struct {
	Line        *Line
	Size, Quant string
}

// ParseName reads a name in upper or lower case.
func ParseName(text string) (n Name, ok bool) {
	model, quant, typed := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	for _, l := range Lines {
		size, ours := strings.CutPrefix(model, l.Prefix)
		if strings.HasSuffix(l.Title, "-Instruct") {
			size = strings.TrimSuffix(size, "-instruct")
		}
		if !ours || !slices.Contains(l.Sizes, size) {
			continue
		}
		switch {
		case !typed:
			quant = l.usualQuant(size)
		case quant == "f16": // as quantize calls it
			quant = "fp16"
		}
		return Name{l, size, quant}, slices.Contains(l.quantsOf(size), quant)
	}
	return n, false
}

// unknownName is the error for a name that is none: with the nearest of all
// names, and what there is.
func unknownName(text string) error {
	hint := ""
	if near := nearest(text, suggestions()); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	var lines []string
	for _, l := range Lines {
		lines = append(lines, fmt.Sprintf("%sSIZE:TYPE (SIZE %s)", l.Prefix, strings.Join(l.Sizes, ", ")))
	}
	return fmt.Errorf("there is no model %s%s A name is %s with TYPE %s; hf.co/USER/REPO:TYPE; or the address of a .gguf file",
		show.Quoted(withoutSecrets(text)), cmp.Or(hint, "."), strings.Join(lines, " or "), strings.Join(Quants, ", "))
}

// suggestions returns all names, with and without a type.
func suggestions() (list []string) {
	for _, l := range Lines {
		for _, size := range l.Sizes {
			list = append(list, l.Prefix+size)
			for _, q := range l.quantsOf(size) {
				list = append(list, Name{l, size, q}.String())
			}
		}
	}
	return list
}

// Names returns all names.
func Names() (list []Name) {
	for _, l := range Lines {
		for _, size := range l.Sizes {
			for _, q := range l.quantsOf(size) {
				list = append(list, Name{l, size, q})
			}
		}
	}
	return list
}

func (n Name) String() string { return n.Line.Prefix + n.Size + ":" + n.Quant }

// repo is where the model is published.
func (n Name) repo() string { return fmt.Sprintf(n.Line.repo, strings.ToUpper(n.Size)) }

// Stem is how the model's files begin; ".gguf" follows, or a part's number.
func (n Name) Stem() string {
	if n.Line.upper {
		return fmt.Sprintf(n.Line.stem, strings.ToUpper(n.Size), strings.ToUpper(n.Quant))
	}
	return fmt.Sprintf(n.Line.stem, n.Size, n.Quant)
}

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

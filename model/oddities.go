package model

import (
	"fmt"
	"regexp"
	"slices"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/model/tokenizer"
)

// Oddities says in sentences what is odd about a model's file although it can
// be used, and what is made of it.
func Oddities(f *gguf.File) ([]string, error) {
	c, notes, err := readConfig(f)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.FromGGUF(f)
	if err != nil {
		return nil, err
	}
	unused, err := unusedTensors(f, c)
	if err != nil {
		return nil, err
	}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		if n := len(x.Dims); n > 1 && x.Dims[n-1] == 1 {
			notes = append(notes, fmt.Sprintf("tensor %s has the shape %v, with ones at its end: they make no difference", show.Text(x.Name), x.Dims))
		}
	}
	for _, name := range unused {
		notes = append(notes, fmt.Sprintf("tensor %s: nothing is computed with it", show.Text(name)))
	}
	return slices.Concat(notes, t.Notes(), missingMarks(f, t)), nil
}

// mark is a special token as chat templates write it.
var mark = regexp.MustCompile(`<\|[a-zA-Z0-9_]{1,40}\|>`)

// missingMarks notes which marks of the chat template are no special tokens, so
// that the model reads them as text.
func missingMarks(f *gguf.File, t *tokenizer.Tokenizer) (notes []string) {
	template, err := gguf.Get[string](f, "tokenizer.chat_template")
	if err != nil {
		return nil // it has none, or Template says what is wrong with it
	}
	found := mark.FindAllString(template, -1)
	slices.Sort(found)
	for _, text := range slices.Compact(found) {
		if _, ok := t.Special(text); !ok {
			notes = append(notes, fmt.Sprintf("the chat template writes %s, which is no special token: the model reads it as text", text))
		}
	}
	return notes
}

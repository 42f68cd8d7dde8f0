package tokenizer

import (
	"slices"
	"strings"

	"qgo/gguf/show"
)

// markType returns the type of the special token that text can be taken for,
// or Normal: a mark such as <|im_end|> or <｜User｜> is a Control token, one such
// as <think> is UserDefined.
func markType(text string) TokenType {
	if len(text) < 3 || text[0] != '<' || text[len(text)-1] != '>' {
		return Normal
	}
	inner := text[1 : len(text)-1]
	for _, bar := range []string{"|", "｜"} {
		if len(inner) > 2*len(bar) && strings.HasPrefix(inner, bar) && strings.HasSuffix(inner, bar) {
			return Control
		}
	}
	return UserDefined
}

// markSpecials returns the types of v's tokens, changed for those that must be
// special although the file does not say so: some converters leave the types
// out, or call all tokens Normal. Such a token looks like a mark, and no merge
// makes it, so that no text would ever become it.
func (t *Tokenizer) markSpecials(v Vocab) []TokenType {
	found := map[string]int{} // ids by text
	for id, text := range v.Tokens {
		if v.typeOf(id) == Normal && markType(text) != Normal {
			found[text] = id
		}
	}
	if len(found) == 0 {
		return v.Types
	}
	for _, m := range v.Merges {
		if strings.HasPrefix(m, "<") && strings.HasSuffix(m, ">") {
			delete(found, strings.Replace(m, " ", "", 1))
		}
	}
	types := slices.Clone(v.Types)
	if types == nil {
		types = slices.Repeat([]TokenType{Normal}, len(v.Tokens))
	}
	first := len(v.Tokens)
	for text, id := range found {
		types[id] = markType(text)
		first = min(first, id)
	}
	if len(found) > 0 {
		t.notef("%d marks such as %s are not said to be special tokens: they are taken for such", len(found), show.Quoted(v.Tokens[first]))
	}
	return types
}

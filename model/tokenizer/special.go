package tokenizer

import (
	"cmp"
	"slices"
	"strings"
)

// specialToken is a token that is recognised in text as a whole.
type specialToken struct {
	text string
	id   uint32
}

// specialSet holds special tokens by their first byte, the longest first.
type specialSet [256][]specialToken

// add includes a token. One without text would be found everywhere and is
// left out.
func (s *specialSet) add(text string, id uint32) {
	if text == "" {
		return
	}
	list := &s[text[0]]
	*list = append(*list, specialToken{text, id})
	slices.SortStableFunc(*list, func(a, b specialToken) int { return cmp.Compare(len(b.text), len(a.text)) })
}

// match returns the longest special token that text starts with.
func (s *specialSet) match(text string) (specialToken, bool) {
	if text == "" {
		return specialToken{}, false
	}
	for _, sp := range s[text[0]] {
		if strings.HasPrefix(text, sp.text) {
			return sp, true
		}
	}
	return specialToken{}, false
}

// find returns the leftmost special token in text, the longest of those that
// start there, and where it starts.
func (s *specialSet) find(text string) (sp specialToken, at int, ok bool) {
	for at := range len(text) {
		if s[text[at]] == nil {
			continue
		}
		if sp, ok := s.match(text[at:]); ok {
			return sp, at, true
		}
	}
	return specialToken{}, 0, false
}

// texts lists the texts of all special tokens.
func (s *specialSet) texts() []string {
	var all []string
	for _, list := range s {
		for _, t := range list {
			all = append(all, t.text)
		}
	}
	return all
}

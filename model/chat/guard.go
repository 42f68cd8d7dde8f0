package chat

import (
	"strings"
	"unicode/utf8"

	"qgo/model/tokenizer"
)

// breakMark stands in rendered text before a character that must not become
// part of a special token. It is a noncharacter, which Unicode reserves for a
// program's own use, so that it is in no honest text.
const breakMark = "\uFDD0"

// guard returns text from outside with breakMark before the first character
// of every special token in it, and of every piece at its ends that the
// template's own text could complete to one. All other text stays as it is,
// so that templates which look into messages see what was written.
func (t *Template) guard(text string) string {
	text = strings.ReplaceAll(text, breakMark, string(utf8.RuneError))
	var b strings.Builder
	for i := range text {
		if t.startsSpecial(text[i:]) || i == 0 && t.endsSpecial(text) {
			b.WriteString(breakMark)
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		b.WriteString(text[i : i+n])
	}
	return b.String()
}

// startsSpecial reports whether text starts with a special token or is the
// beginning of one.
func (t *Template) startsSpecial(text string) bool {
	for _, s := range t.special {
		if strings.HasPrefix(text, s) || strings.HasPrefix(s, text) {
			return true
		}
	}
	return false
}

// endsSpecial reports whether text starts with the end of a special token.
func (t *Template) endsSpecial(text string) bool {
	for _, s := range t.special {
		for i := 1; i < len(s); i++ {
			if strings.HasPrefix(text, s[i:]) {
				return true
			}
		}
	}
	return false
}

// unguard cuts rendered text at its marks: what follows one, to the end of
// its first character, is not special.
func unguard(text string) []tokenizer.Part {
	var parts []tokenizer.Part
	for {
		before, after, found := strings.Cut(text, breakMark)
		if before != "" {
			parts = append(parts, tokenizer.Part{Text: before, Special: true})
		}
		if !found {
			return parts
		}
		_, n := utf8.DecodeRuneInString(after)
		parts = append(parts, tokenizer.Part{Text: after[:n]})
		text = after[n:]
	}
}

package lineedit

import (
	"fmt"
	"strings"
	"unicode"
)

// Text that is longer than this, or has characters that an editor cannot show
// as they are, is folded.
const (
	maxShownLines = 8
	maxShownBytes = 1000
)

// pastes are texts that were folded: a short mark stands for each.
type pastes struct{ marks, texts []string }

// fold returns text, or the mark that stands for it.
func (p *pastes) fold(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
	if lines <= maxShownLines && len(text) <= maxShownBytes && strings.IndexFunc(text, unshown) < 0 {
		return text
	}
	what := fmt.Sprintf("%d lines", lines)
	if lines == 1 {
		what = fmt.Sprintf("%d bytes", len(text))
	}
	mark := fmt.Sprintf("[paste %d: %s]", len(p.marks)+1, what)
	p.marks, p.texts = append(p.marks, mark), append(p.texts, text)
	return mark
}

func unshown(r rune) bool { return r != '\n' && unicode.IsControl(r) }

// expand puts the texts back in the place of their marks.
func (p *pastes) expand(text string) string {
	var pairs []string
	for i, mark := range p.marks {
		pairs = append(pairs, mark, p.texts[i])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

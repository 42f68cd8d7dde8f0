package jinja

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// text is a string of which it is known what came from outside.
type text struct {
	s string
	// foreign holds the ranges of bytes that came from outside, in order and
	// apart.
	foreign []span
	safe    bool // markup that escape leaves alone
}

// span is a range of bytes.
type span struct{ start, end int }

// own is text of the template or of the program.
func own(s string) text { return text{s: s} }

// foreign is text from outside.
func foreign(s string) text {
	if s == "" {
		return text{}
	}
	return text{s: s, foreign: []span{{0, len(s)}}}
}

// slice returns the bytes from start to end.
func (t text) slice(start, end int) text {
	part := text{s: t.s[start:end], safe: t.safe}
	first := sort.Search(len(t.foreign), func(i int) bool { return t.foreign[i].end > start })
	for _, f := range t.foreign[first:] {
		if f.start >= end {
			break
		}
		part.foreign = append(part.foreign, span{max(f.start, start) - start, min(f.end, end) - start})
	}
	return part
}

// marked returns t as markup that escape leaves alone, or not.
func (t text) marked(safe bool) text {
	t.safe = safe
	return t
}

// chars is the number of characters.
func (t text) chars() int { return utf8.RuneCountInString(t.s) }

// offset returns where character i begins, which is at most chars().
func (t text) offset(i int) int {
	if len(t.s) == t.chars() {
		return i
	}
	for at := range t.s {
		if i == 0 {
			return at
		}
		i--
	}
	return len(t.s)
}

// Part is a stretch of rendered text of one origin.
type Part struct {
	Text    string
	Foreign bool // from outside: a message, say, and not the template
}

// parts returns the stretches of the text.
func (t text) parts() (list []Part) {
	done := 0
	for _, f := range t.foreign {
		if f.start > done {
			list = append(list, Part{Text: t.s[done:f.start]})
		}
		list = append(list, Part{t.s[f.start:f.end], true})
		done = f.end
	}
	if done < len(t.s) {
		list = append(list, Part{Text: t.s[done:]})
	}
	return list
}

// builder joins texts. What it takes counts.
type builder struct {
	s       *state
	b       strings.Builder
	foreign []span
}

func (s *state) builder() *builder { return &builder{s: s} }

func (b *builder) add(t text) {
	b.addString(t.s)
	at := b.b.Len() - len(t.s)
	b.s.take(16 * len(t.foreign))
	for _, f := range t.foreign {
		start, end := at+f.start, at+f.end
		if n := len(b.foreign); n > 0 && b.foreign[n-1].end == start {
			b.foreign[n-1].end = end
		} else {
			b.foreign = append(b.foreign, span{start, end})
		}
	}
}

// addString adds text of the program's own.
func (b *builder) addString(t string) {
	b.s.scan(len(t))
	b.s.take(len(t))
	b.b.WriteString(t)
}

// addEscaped adds t with those characters replaced for which escape returns
// true.
func (b *builder) addEscaped(t text, escape func(r rune, source string) (string, bool)) {
	done := 0
	for at := 0; at < len(t.s); {
		r, n := utf8.DecodeRuneInString(t.s[at:])
		if e, ok := escape(r, t.s[at:at+n]); ok {
			b.add(t.slice(done, at))
			b.addString(e)
			done = at + n
		}
		at += n
	}
	b.add(t.slice(done, len(t.s)))
}

func (b *builder) text() text { return text{s: b.b.String(), foreign: b.foreign} }

// joined returns texts with sep between them.
func (s *state) joined(list []text, sep text) text {
	b := s.builder()
	for i, t := range list {
		if i > 0 {
			b.add(sep)
		}
		b.add(t)
	}
	return b.text()
}

// mapped returns t with each stretch of one origin changed by f.
func (s *state) mapped(t text, f func(string) string) text {
	b := s.builder()
	for _, p := range t.parts() {
		from := own
		if p.Foreign {
			from = foreign
		}
		b.add(from(f(p.Text)))
	}
	return b.text()
}

// size is about the memory that a text takes, in bytes.
func (t text) size() int { return len(t.s) + 16*len(t.foreign) + 64 }

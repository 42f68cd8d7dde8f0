package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Changes of case are Unicode's full ones, as Python's are: ß becomes SS.

func upper(t string) string { return cases.Upper(language.Und).String(t) }
func lower(t string) string { return cases.Lower(language.Und).String(t) }
func fold(t string) string  { return cases.Fold().String(t) }

func swapCase(t string) string {
	var b strings.Builder
	for _, r := range t {
		switch {
		case unicode.IsUpper(r):
			b.WriteString(lower(string(r)))
		case unicode.IsLower(r):
			b.WriteString(upper(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// capitalized is Python's str.capitalize.
func (s *state) capitalized(t text) text {
	first := t.offset(min(1, t.chars()))
	return s.joined([]text{s.mapped(t.slice(0, first), title), s.mapped(t.slice(first, len(t.s)), lower)}, text{})
}

func title(t string) string { return cases.Title(language.Und).String(t) }

// titled is Python's str.title: letters after what is no letter are titlecase,
// the others lowercase.
func (s *state) titled(t text) text {
	b := s.builder()
	inside := false
	for at := 0; at < len(t.s); {
		r, n := utf8.DecodeRuneInString(t.s[at:])
		c := t.slice(at, at+n)
		letter := unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
		switch {
		case letter && inside:
			c = s.mapped(c, lower)
		case letter:
			c = s.mapped(c, title)
		}
		b.add(c)
		inside = letter
		at += n
	}
	return b.text()
}

// texts returns a list of strings.
func (s *state) texts(parts []text) *list {
	items := make([]Value, len(parts))
	for i, p := range parts {
		s.take(p.size() + 16)
		items[i] = p
	}
	return &list{items: items}
}

// split is Python's str.split and, from the right, rsplit. Without a separator
// it splits at white space, of which there is none in the parts but in the last
// one.
func (s *state) split(t text, a []Value, right bool) Value {
	most := s.wantInt(given(a[1], int64(-1)), "the number of splits")
	if most < 0 {
		most = len(t.s) + 1
	}
	index, indexFunc := strings.Index, strings.IndexFunc
	if right {
		index, indexFunc = strings.LastIndex, strings.LastIndexFunc
	}
	sep := given(a[0], nil)
	trim := func(t text) text { return s.stripped(t, nil, !right, right) }
	find := func(t string) (at, n int) {
		at = indexFunc(t, isSpace)
		_, n = utf8.DecodeRuneInString(t[max(at, 0):])
		return at, n
	}
	if sep != nil {
		by := s.wantText(sep, "the separator").s
		if by == "" {
			failf("the separator is empty")
		}
		trim = func(t text) text { return t }
		find = func(t string) (at, n int) { return index(t, by), len(by) }
	}
	var parts []text
	for t = trim(t); most > 0; most-- {
		at, n := find(t.s)
		if at < 0 {
			break
		}
		part, rest := s.cut(t, at, n)
		if right {
			part, rest = rest, part
		}
		parts, t = append(parts, part), trim(rest)
	}
	if sep != nil || t.s != "" {
		parts = append(parts, t)
	}
	if right {
		slices.Reverse(parts)
	}
	return s.texts(parts)
}

// cut returns what is before and after n bytes of t, and counts what that
// costs.
func (s *state) cut(t text, at, n int) (before, after text) {
	s.take(64)
	s.step(1 + len(t.foreign)/8)
	return t.slice(0, at), t.slice(at+n, len(t.s))
}

// lines is Python's str.splitlines.
func (s *state) lines(t text, keep bool) (list []text) {
	for t.s != "" {
		at := strings.IndexFunc(t.s, endsLine)
		if at < 0 {
			return append(list, t)
		}
		_, n := utf8.DecodeRuneInString(t.s[at:])
		if strings.HasPrefix(t.s[at:], "\r\n") {
			n = 2
		}
		line, rest := s.cut(t, at, n)
		if keep {
			line = t.slice(0, at+n)
		}
		list, t = append(list, line), rest
	}
	return list
}

func endsLine(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

// partitioning makes partition or rpartition.
func partitioning(search func(s, sub string) int, right bool) builtin {
	return textMethod("sep", func(s *state, t text, a []Value) Value {
		sep := s.wantText(a[0], "the separator")
		if sep.s == "" {
			failf("the separator is empty")
		}
		s.take(2*t.size() + 64)
		at := search(t.s, sep.s)
		switch {
		case at >= 0:
			end := at + len(sep.s)
			return &list{tuple: true, items: []Value{t.slice(0, at), t.slice(at, end), t.slice(end, len(t.s))}}
		case right:
			return &list{tuple: true, items: []Value{text{safe: t.safe}, text{safe: t.safe}, t}}
		}
		return &list{tuple: true, items: []Value{t, text{safe: t.safe}, text{safe: t.safe}}}
	})
}

// replaced is Python's str.replace; n < 0 means all.
func (s *state) replaced(t, old, with text, n int) text {
	b := s.builder()
	for ; n != 0; n-- {
		at := strings.Index(t.s, old.s)
		if at < 0 {
			break
		}
		before, after := s.cut(t, at, len(old.s))
		b.add(before)
		b.add(with)
		t = after
		if old.s == "" {
			if t.s == "" {
				break
			}
			_, size := utf8.DecodeRuneInString(t.s)
			b.add(t.slice(0, size))
			t = t.slice(size, len(t.s))
		}
	}
	b.add(t)
	return b.text()
}

// untabbed is Python's str.expandtabs.
func (s *state) untabbed(t text, size int) text {
	if size > maxWidth {
		failf("a width of %d is too large", size)
	}
	b := s.builder()
	column := 0
	b.addEscaped(t, func(r rune, _ string) (string, bool) {
		switch r {
		case '\n', '\r':
			column = 0
		case '\t':
			if size <= 0 {
				return "", true
			}
			n := size - column%size
			column += n
			return strings.Repeat(" ", n), true
		default:
			column++
		}
		return "", false
	})
	return b.text()
}

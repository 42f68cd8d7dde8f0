package jinja

import (
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
	return &list{items}
}

// split is Python's str.split and, from the right, rsplit.
func (s *state) split(t text, a []Value, right bool) Value {
	most := s.wantInt(given(a[1], int64(-1)), "the number of splits")
	if most < 0 {
		most = len(t.s) + 1
	}
	sep := given(a[0], nil)
	if sep == nil {
		return s.texts(s.splitSpace(t, most, right))
	}
	by := s.wantText(sep, "the separator").s
	if by == "" {
		failf("the separator is empty")
	}
	var parts []text
	for ; most > 0; most-- {
		at := strings.Index(t.s, by)
		if right {
			at = strings.LastIndex(t.s, by)
		}
		if at < 0 {
			break
		}
		s.cutting(t)
		if right {
			parts = append(parts, t.slice(at+len(by), len(t.s)))
			t = t.slice(0, at)
		} else {
			parts = append(parts, t.slice(0, at))
			t = t.slice(at+len(by), len(t.s))
		}
	}
	return s.texts(inOrder(append(parts, t), right))
}

// inOrder reverses parts that were found from the right.
func inOrder(parts []text, right bool) []text {
	if right {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	return parts
}

// splitSpace splits at white space, of which there is none in the parts but in
// the last one.
func (s *state) splitSpace(t text, most int, right bool) (parts []text) {
	trim := func() { t = s.stripped(t, nil, !right, right) }
	trim()
	for ; t.s != "" && most > 0; most-- {
		s.cutting(t)
		if right {
			at := strings.LastIndexFunc(t.s, isSpace)
			if at < 0 {
				break
			}
			_, n := utf8.DecodeRuneInString(t.s[at:])
			parts = append(parts, t.slice(at+n, len(t.s)))
			t = t.slice(0, at)
		} else {
			at := strings.IndexFunc(t.s, isSpace)
			if at < 0 {
				break
			}
			parts = append(parts, t.slice(0, at))
			t = t.slice(at, len(t.s))
		}
		trim()
	}
	if t.s != "" {
		parts = append(parts, t)
	}
	return inOrder(parts, right)
}

// cutting counts what it costs to cut a piece off t.
func (s *state) cutting(t text) {
	s.take(64)
	s.step(1 + len(t.foreign)/8)
}

// lines is Python's str.splitlines.
func (s *state) lines(t text, keep bool) (list []text) {
	for t.s != "" {
		s.cutting(t)
		at := strings.IndexFunc(t.s, endsLine)
		if at < 0 {
			return append(list, t)
		}
		_, n := utf8.DecodeRuneInString(t.s[at:])
		if strings.HasPrefix(t.s[at:], "\r\n") {
			n = 2
		}
		if keep {
			list = append(list, t.slice(0, at+n))
		} else {
			list = append(list, t.slice(0, at))
		}
		t = t.slice(at+n, len(t.s))
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
			return &tuple{items: []Value{t.slice(0, at), t.slice(at, end), t.slice(end, len(t.s))}}
		case right:
			return &tuple{items: []Value{text{safe: t.safe}, text{safe: t.safe}, t}}
		}
		return &tuple{items: []Value{t, text{safe: t.safe}, text{safe: t.safe}}}
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
		s.cutting(t)
		b.add(t.slice(0, at))
		b.add(with)
		t = t.slice(at+len(old.s), len(t.s))
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

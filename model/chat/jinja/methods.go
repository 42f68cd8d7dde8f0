package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// methods returns the methods that values of v's type have.
func methods(v Value) map[string]builtin {
	switch v := v.(type) {
	case text:
		return textMethods
	case *Dict:
		return dictMethods
	case *list:
		if v.tuple {
			return tupleMethods
		}
		return listMethods
	case *numbers:
		return tupleMethods
	}
	return nil
}

var dictMethods = map[string]builtin{
	"keys":   method("", func(_ *state, v Value, _ []Value) Value { return &view{"keys", v.(*Dict)} }),
	"values": method("", func(_ *state, v Value, _ []Value) Value { return &view{"values", v.(*Dict)} }),
	"items":  method("", func(_ *state, v Value, _ []Value) Value { return &view{"items", v.(*Dict)} }),
	"copy": method("", func(s *state, v Value, _ []Value) Value {
		d := NewDict()
		s.take(128 * len(v.(*Dict).keys))
		for i, k := range v.(*Dict).keys {
			d.set(k, v.(*Dict).values[i])
		}
		return d
	}),
	"get": method("key default?", func(s *state, v Value, a []Value) Value {
		if item, ok := s.get(v.(*Dict), a[0]); ok {
			return item
		}
		return given(a[1], nil)
	}),
}

var tupleMethods = map[string]builtin{
	"count": method("value", func(s *state, v Value, a []Value) Value {
		n := int64(0)
		for _, item := range s.elements(v) {
			if s.equal(item, a[0]) {
				n++
			}
		}
		return n
	}),
	"index": method("value start? stop?", func(s *state, v Value, a []Value) Value {
		items := s.elements(v)
		start, stop := s.window(len(items), a[1], a[2])
		for i := start; i < stop; i++ {
			if s.equal(items[i], a[0]) {
				return int64(i)
			}
		}
		failf("the value is not in the %s", typeName(v))
		return nil
	}),
}

var listMethods = map[string]builtin{
	"count": tupleMethods["count"],
	"index": tupleMethods["index"],
	"copy": method("", func(s *state, v Value, _ []Value) Value {
		return &list{items: s.appended(v.(*list).items, nil)}
	}),
}

// window turns the bounds of a search in n elements into indexes.
func (s *state) window(n int, start, stop Value) (int, int) {
	bound := func(v Value, otherwise int) int {
		if v = given(v, nil); v == nil {
			return otherwise
		}
		i := s.wantInt(v, "a bound")
		if i < 0 {
			i += n
		}
		return min(max(i, 0), n)
	}
	return bound(start, 0), bound(stop, n)
}

// textMethod makes a method of strings. What it makes counts.
func textMethod(parameters string, call func(s *state, t text, a []Value) Value) builtin {
	return method(parameters, func(s *state, v Value, a []Value) Value {
		t := v.(text)
		s.scan(len(t.s))
		return call(s, t, a)
	})
}

// changed makes a filter or a method that changes the characters of a string.
func changed(f func(string) string) builtin {
	return onText("", func(s *state, t text, _ []Value) Value {
		return s.mapped(t, f).marked(t.safe)
	})
}

// asks makes a method that says whether a string is of a kind.
func asks(is func(t string) bool) builtin {
	return textMethod("", func(_ *state, t text, _ []Value) Value { return is(t.s) })
}

// every makes a method that says whether all characters of a string, of which
// there must be some, are of a kind.
func every(is func(r rune) bool) builtin {
	return asks(func(t string) bool { return t != "" && only(t, is) })
}

func only(t string, is func(r rune) bool) bool {
	return !strings.ContainsFunc(t, func(r rune) bool { return !is(r) })
}

// isLower and isUpper hold for a string that has letters of one case and none
// of the other.
func isLower(t string) bool {
	return strings.ContainsFunc(t, unicode.IsLower) && !strings.ContainsFunc(t, unicode.IsUpper)
}

func isUpper(t string) bool {
	return strings.ContainsFunc(t, unicode.IsUpper) && !strings.ContainsFunc(t, unicode.IsLower)
}

func numeric(r rune) bool { return unicode.In(r, unicode.Nd, unicode.No, unicode.Nl) }

var textMethods map[string]builtin

// init, for the methods refer to each other through format.
func init() {
	textMethods = map[string]builtin{
		"upper":      changed(upper),
		"lower":      changed(lower),
		"casefold":   changed(fold),
		"swapcase":   changed(swapCase),
		"title":      textMethod("", func(s *state, t text, _ []Value) Value { return s.titled(t) }),
		"capitalize": textMethod("", func(s *state, t text, _ []Value) Value { return s.capitalized(t) }),

		"isalpha": every(unicode.IsLetter),
		"isalnum": every(func(r rune) bool { return unicode.IsLetter(r) || numeric(r) }),
		"isdigit": every(func(r rune) bool {
			return unicode.IsDigit(r) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r)
		}),
		"isdecimal":    every(unicode.IsDigit),
		"isnumeric":    every(numeric),
		"isspace":      every(isSpace),
		"isupper":      asks(isUpper),
		"islower":      asks(isLower),
		"isascii":      asks(func(t string) bool { return only(t, func(r rune) bool { return r <= unicode.MaxASCII }) }),
		"isprintable":  asks(func(t string) bool { return only(t, unicode.IsPrint) }),
		"isidentifier": asks(func(t string) bool { return t != "" && nameLength(t) == len(t) }),
		"istitle": textMethod("", func(s *state, t text, _ []Value) Value {
			return s.titled(t).s == t.s && strings.ContainsFunc(t.s, unicode.IsLetter)
		}),

		"strip":  stripping(true, true),
		"lstrip": stripping(true, false),
		"rstrip": stripping(false, true),
		"removeprefix": textMethod("prefix", func(s *state, t text, a []Value) Value {
			rest := strings.TrimPrefix(t.s, s.wantText(a[0], "the prefix").s)
			return t.slice(len(t.s)-len(rest), len(t.s))
		}),
		"removesuffix": textMethod("suffix", func(s *state, t text, a []Value) Value {
			return t.slice(0, len(strings.TrimSuffix(t.s, s.wantText(a[0], "the suffix").s)))
		}),

		"startswith": affix(strings.HasPrefix),
		"endswith":   affix(strings.HasSuffix),
		"find":       finding(strings.Index, false),
		"rfind":      finding(strings.LastIndex, false),
		"index":      finding(strings.Index, true),
		"rindex":     finding(strings.LastIndex, true),
		"count": textMethod("sub start? stop?", func(s *state, t text, a []Value) Value {
			part, _ := s.searched(t, a)
			return int64(strings.Count(part, s.wantText(a[0], "what is counted").s))
		}),

		"split":      textMethod("sep? maxsplit?", func(s *state, t text, a []Value) Value { return s.split(t, a, false) }),
		"rsplit":     textMethod("sep? maxsplit?", func(s *state, t text, a []Value) Value { return s.split(t, a, true) }),
		"splitlines": textMethod("keepends?", func(s *state, t text, a []Value) Value { return s.texts(s.lines(t, truth(given(a[0], false)))) }),
		"partition":  partitioning(strings.Index, false),
		"rpartition": partitioning(strings.LastIndex, true),

		"join": textMethod("items", func(s *state, t text, a []Value) Value {
			var parts []text
			for _, item := range s.elements(a[0]) {
				s.take(56)
				parts = append(parts, s.wantText(item, "an item of join"))
			}
			return s.joined(parts, t)
		}),
		"replace": textMethod("old new count?", func(s *state, t text, a []Value) Value {
			n := s.wantInt(given(a[2], int64(-1)), "the count")
			return s.replaced(t, s.wantText(a[0], "what is replaced"), s.wantText(a[1], "the replacement"), n)
		}),
		"center": padding(func(pad int, width int) int { return pad/2 + pad&width&1 }),
		"ljust":  padding(func(int, int) int { return 0 }),
		"rjust":  padding(func(pad, _ int) int { return pad }),
		"zfill": textMethod("width", func(s *state, t text, a []Value) Value {
			sign := 0
			if strings.HasPrefix(t.s, "-") || strings.HasPrefix(t.s, "+") {
				sign = 1
			}
			pad := max(s.wantInt(a[0], "the width")-t.chars(), 0)
			return s.joined([]text{t.slice(0, sign), s.padded(t.slice(sign, len(t.s)), pad, 0, "0")}, text{})
		}),
		"expandtabs": textMethod("tabsize?", func(s *state, t text, a []Value) Value {
			return s.untabbed(t, s.wantInt(given(a[0], int64(8)), "the size of tabs"))
		}),
		"format": func(s *state, _ string, v Value, a arguments) Value {
			return (&fields{s: s, args: a}).format(v.(text), false)
		},
	}
}

// stripping makes a method that takes characters off the ends of a string:
// white space, or those of its argument.
func stripping(left, right bool) builtin {
	return textMethod("chars?", func(s *state, t text, a []Value) Value {
		return s.stripped(t, given(a[0], nil), left, right)
	})
}

func (s *state) stripped(t text, chars Value, left, right bool) text {
	cut := isSpace
	if chars != nil {
		set := s.wantText(chars, "what is stripped").s
		s.step(len(t.s) / 64 * len(set))
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	start, end := 0, len(t.s)
	if left {
		start = len(t.s) - len(strings.TrimLeftFunc(t.s, cut))
	}
	if right {
		end = max(start, len(strings.TrimRightFunc(t.s, cut)))
	}
	return t.slice(start, end)
}

// affix makes startswith or endswith.
func affix(has func(s, affix string) bool) builtin {
	return textMethod("affix start? stop?", func(s *state, t text, a []Value) Value {
		part, _ := s.searched(t, a)
		options := []Value{a[0]}
		if t, ok := a[0].(*list); ok && t.tuple {
			options = t.items
		}
		for _, o := range options {
			if has(part, s.wantText(o, "what the string is tested for").s) {
				return true
			}
		}
		return false
	})
}

// searched returns the part of t between the characters that a[1] and a[2]
// say, and the number of the first.
func (s *state) searched(t text, a []Value) (part string, first int) {
	if a[1] == (missing{}) && a[2] == (missing{}) {
		return t.s, 0
	}
	start, stop := s.window(t.chars(), a[1], a[2])
	stop = max(start, stop)
	return t.s[t.offset(start):t.offset(stop)], start
}

// finding makes find or index.
func finding(search func(s, sub string) int, must bool) builtin {
	return textMethod("sub start? stop?", func(s *state, t text, a []Value) Value {
		part, first := s.searched(t, a)
		at := search(part, s.wantText(a[0], "what is looked for").s)
		if at < 0 {
			if must {
				failf("the string does not contain what is looked for")
			}
			return int64(-1)
		}
		return int64(first + utf8.RuneCountInString(part[:at]))
	})
}

// padding makes a method that brings a string to a width; left is how much of
// the padding goes before it.
func padding(left func(pad, width int) int) builtin {
	return textMethod("width fill?", func(s *state, t text, a []Value) Value {
		width := s.wantInt(a[0], "the width")
		fill := s.wantText(given(a[1], own(" ")), "the fill").s
		if utf8.RuneCountInString(fill) != 1 {
			failf("the fill must be one character")
		}
		pad := width - t.chars()
		if pad <= 0 {
			return t
		}
		before := left(pad, width)
		return s.padded(t, before, pad-before, fill)
	})
}

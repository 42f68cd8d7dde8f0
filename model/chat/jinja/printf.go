package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth is the largest width of a formatted value.
const maxWidth = 1 << 16

// directive is what follows a % in a format: flags, width and precision.
type directive struct {
	flags            string
	width, precision int // precision -1: none
}

func (d directive) has(flag string) bool { return strings.Contains(d.flags, flag) }

// printf is Python's format % values.
func (s *state) printf(format text, values Value) text {
	l, isList := values.(*list)
	d, named := values.(*Dict)
	many := isList && l.tuple
	mapping := isList && !l.tuple || named // which need not be used up
	next := 0
	arg := func() Value {
		next++
		switch {
		case many && next <= len(l.items):
			return l.items[next-1]
		case !many && next == 1:
			return values
		}
		failf("the format has more directives than values")
		return nil
	}
	b := s.builder()
	rest := format
	for {
		at := strings.IndexByte(rest.s, '%')
		if at < 0 {
			b.add(rest)
			break
		}
		before, after := s.cut(rest, at, 1)
		b.add(before)
		rest = after
		value := arg
		if named && strings.HasPrefix(rest.s, "(") {
			key, _, ok := strings.Cut(rest.s[1:], ")")
			if !ok {
				failf("the format has a key without an end")
			}
			value = func() Value {
				v, ok := d.lookup(key)
				if !ok {
					failf("the format names %s, which is not given", key)
				}
				return v
			}
			rest = rest.slice(len(key)+2, len(rest.s))
		}
		dir, n := s.directive(rest.s, arg)
		if n == len(rest.s) {
			failf("the format ends within a directive")
		}
		verb, size := utf8.DecodeRuneInString(rest.s[n:])
		rest = rest.slice(n+size, len(rest.s))
		if verb == '%' {
			b.addString("%")
			continue
		}
		v := value()
		if t, ok := v.(text); ok && format.safe {
			v = s.escaped(t)
		}
		b.add(s.directed(dir, verb, v))
	}
	if !mapping && (many && next < len(l.items) || !many && next == 0) {
		failf("the format has fewer directives than values")
	}
	return b.text().marked(format.safe)
}

// directive reads flags, width and precision, and returns their length.
func (s *state) directive(f string, arg func() Value) (d directive, n int) {
	n = len(f) - len(strings.TrimLeft(f, "-+ 0#"))
	d.flags = f[:n]
	number := func() int {
		if n < len(f) && f[n] == '*' {
			n++
			return s.wantInt(arg(), "a width")
		}
		v, rest := leadingNumber(f[n:])
		n = len(f) - len(rest)
		return v
	}
	if d.width = number(); d.width < 0 {
		d.flags, d.width = d.flags+"-", -d.width
	}
	d.precision = -1
	if n < len(f) && f[n] == '.' {
		n++
		d.precision = max(number(), 0)
	}
	n = len(f) - len(strings.TrimLeft(f[n:], "hlL"))
	if d.width > maxWidth || d.precision > maxWidth {
		failf("a width in a format is too large")
	}
	return d, n
}

// directed formats one value.
func (s *state) directed(d directive, verb rune, v Value) text {
	var t text
	number := false
	switch verb {
	case 's', 'r', 'a':
		t = s.str(v)
		if verb != 's' {
			t = s.repr(v)
		}
		if d.precision >= 0 && d.precision < t.chars() {
			t = t.slice(0, t.offset(d.precision))
		}
	case 'c':
		if n, ok := asInt(v); ok {
			if n < 0 || n > utf8.MaxRune {
				failf("there is no character %d", n)
			}
			v = own(string(rune(n)))
		}
		t = s.wantText(v, "the value of %c")
	case 'd', 'i', 'u', 'x', 'X', 'o':
		number = true
		t = own(d.integer(s, verb, v))
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f := s.wantFloat(v, "the value of %"+string(verb))
		if d.precision < 0 {
			d.precision = 6
		}
		number = true
		t = own(d.signed(formatReal(f, verb, d.precision, d.has("#"))))
	default:
		failf("the format has no directive %%%c", verb)
	}
	switch pad := d.width - t.chars(); {
	case pad <= 0:
		return t
	case d.has("-"):
		return s.padded(t, 0, pad, " ")
	case d.has("0") && number:
		return s.paddedNumber(t, pad, "0")
	default:
		return s.padded(t, pad, 0, " ")
	}
}

func (d directive) integer(s *state, verb rune, v Value) string {
	n, ok := asInt(v)
	if f, real := v.(float64); real && strings.ContainsRune("diu", verb) {
		n, ok = s.truncated(f), true
	}
	if !ok {
		s.wrong(v, "the value of %"+string(verb), "an integer")
	}
	base := map[rune]int{'x': 16, 'X': 16, 'o': 8}[verb]
	if base == 0 {
		base = 10
	}
	digits := strconv.FormatInt(n, base)
	minus := strings.HasPrefix(digits, "-")
	digits = strings.TrimPrefix(digits, "-")
	if d.precision > len(digits) {
		digits = strings.Repeat("0", d.precision-len(digits)) + digits
	}
	if d.has("#") && base != 10 {
		digits = "0" + strings.ToLower(string(verb)) + digits
	}
	if verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if minus {
		digits = "-" + digits
	}
	return d.signed(digits)
}

// signed puts a sign before a number that has none, if the flags say so.
func (d directive) signed(digits string) string {
	switch {
	case strings.HasPrefix(digits, "-"):
	case d.has("+"):
		return "+" + digits
	case d.has(" "):
		return " " + digits
	}
	return digits
}

// formatReal formats f as C's printf does with the verb e, f or g.
func formatReal(f float64, verb rune, precision int, sharp bool) string {
	upper := verb < 'a'
	var t string
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		t = formatFloat(f)
	case verb == 'g' || verb == 'G':
		form := "%." + strconv.Itoa(max(precision, 1)) + "g"
		if sharp {
			form = "%#." + strconv.Itoa(max(precision, 1)) + "g"
		}
		t = fmt.Sprintf(form, f)
	default:
		t = strconv.FormatFloat(f, byte(verb|0x20), precision, 64)
	}
	if upper {
		t = strings.ToUpper(t)
	}
	return t
}

// truncated is Python's int(f).
func (s *state) truncated(f float64) int64 {
	if f != f || math.Abs(f) >= 1<<63 {
		failf("%s is no integer, or too large for one", formatFloat(f))
	}
	return int64(f)
}

// padded puts characters of fill around t.
func (s *state) padded(t text, left, right int, fill string) text {
	b := s.builder()
	if n := left + right; n > maxWidth {
		failf("a width of %d is too large", n)
	}
	b.addString(strings.Repeat(fill, left))
	b.add(t)
	b.addString(strings.Repeat(fill, right))
	return b.text().marked(t.safe)
}

// paddedNumber puts characters of fill behind the sign of a number.
func (s *state) paddedNumber(t text, pad int, fill string) text {
	sign := len(t.s) - len(strings.TrimLeft(t.s, "+- "))
	return s.joined([]text{t.slice(0, sign), s.padded(t.slice(sign, len(t.s)), pad, 0, fill)}, text{})
}

package jinja

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fields is the state of a call of str.format.
type fields struct {
	s    *state
	args arguments
	next int // the number of the next field without one
}

// format is Python's t.format(*args, **kwargs).
func (f *fields) format(t text, nested bool) text {
	b := f.s.builder()
	for t.s != "" {
		at := strings.IndexAny(t.s, "{}")
		if at < 0 {
			break
		}
		before, rest := f.s.cut(t, at, 0)
		b.add(before)
		if strings.HasPrefix(rest.s, "{{") || strings.HasPrefix(rest.s, "}}") {
			b.add(rest.slice(0, 1))
			t = rest.slice(2, len(rest.s))
			continue
		}
		n := fieldLength(rest.s)
		if n == 0 {
			failf("a brace in a format has no counterpart")
		}
		b.add(f.field(rest.slice(1, n-1), nested))
		t = rest.slice(n, len(rest.s))
	}
	b.add(t)
	return b.text()
}

// fieldLength is the length of the replacement field that s starts with, with
// its braces; 0 if there is none.
func fieldLength(s string) int {
	open := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i + 1
			}
		}
		if open == 0 {
			return 0
		}
	}
	return 0
}

// field formats one replacement field: name, conversion and specification.
func (f *fields) field(t text, nested bool) text {
	name, spec := t.s, text{}
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name, spec = t.s[:i], t.slice(i+1, len(t.s))
	}
	name, conversion, _ := strings.Cut(name, "!")
	v := f.value(name)
	switch conversion {
	case "":
	case "s":
		v = f.s.str(v)
	case "r", "a":
		v = f.s.repr(v)
	default:
		failf("a format has no conversion !%s", conversion)
	}
	if strings.Contains(spec.s, "{") {
		if nested {
			failf("the fields of a format are nested too deep")
		}
		spec = f.format(spec, true)
	}
	if spec.s == "" {
		return f.s.str(v)
	}
	return f.s.formatted(v, spec.s)
}

// value returns what the name of a field stands for, such as "0.key[1]".
func (f *fields) value(name string) Value {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v := f.argument(name[:end])
	for rest := name[end:]; rest != ""; {
		if key, ok := strings.CutPrefix(rest, "["); ok {
			key, rest, ok = strings.Cut(key, "]")
			if !ok {
				failf("a bracket in a format has no counterpart")
			}
			if n, err := strconv.ParseInt(key, 10, 64); err == nil {
				v = f.s.subscript(v, n)
			} else {
				v = f.s.subscript(v, own(key))
			}
			continue
		}
		key := rest[1:]
		if end := strings.IndexAny(key, ".["); end >= 0 {
			key = key[:end]
		}
		v = f.s.attribute(v, key)
		rest = rest[1+len(key):]
	}
	return v
}

func (f *fields) argument(name string) Value {
	if name == "" {
		name = strconv.Itoa(f.next)
		f.next++
	}
	if n, err := strconv.Atoi(name); err == nil {
		if n < 0 || n >= len(f.args.positional) {
			failf("the format has more fields than values")
		}
		return f.args.positional[n]
	}
	if i := slices.Index(f.args.names, name); i >= 0 {
		return f.args.named[i]
	}
	failf("the format names %s, which is not given", name)
	return nil
}

// formatted is Python's format(v, spec): [[fill]align][sign][#][0][width][,][.precision][type].
func (s *state) formatted(v Value, spec string) text {
	fill, align, spec := alignment(spec)
	filled := fill != ""
	if !filled {
		fill = " "
	}
	d := directive{precision: -1}
	if spec != "" && strings.IndexByte("+- ", spec[0]) >= 0 {
		d.flags, spec = spec[:1], spec[1:]
	}
	if rest, sharp := strings.CutPrefix(spec, "#"); sharp {
		d.flags, spec = d.flags+"#", rest
	}
	if rest, zero := strings.CutPrefix(spec, "0"); zero && !filled {
		fill, spec = "0", rest
		if align == 0 {
			align = '='
		}
	}
	width, spec := leadingNumber(spec)
	separator := ""
	if spec != "" && (spec[0] == ',' || spec[0] == '_') {
		separator, spec = spec[:1], spec[1:]
	}
	if rest, ok := strings.CutPrefix(spec, "."); ok {
		d.precision, spec = leadingNumber(rest)
	}
	var t text
	_, real := v.(float64)
	_, number := asFloat(v)
	switch verb, _ := utf8.DecodeRuneInString(spec); {
	case len(spec) > 1:
		failf("a format has no type %s", spec)
	case spec == "%" && number:
		f, _ := asFloat(v)
		if d.precision < 0 {
			d.precision = 6
		}
		t = own(d.signed(formatReal(100*f, 'f', d.precision, false)) + "%")
	case number && (real || strings.Contains("eEfFgG", spec)) && (spec != "" || d.precision >= 0):
		if spec == "" {
			verb = 'g'
		}
		t = s.directed(d, verb, v)
	case real:
		t = own(d.signed(formatFloat(v.(float64))))
	case number && spec == "b":
		n, _ := asInt(v)
		t = own(d.signed(strconv.FormatInt(n, 2)))
	case number && (spec == "" || spec == "n"):
		t = s.directed(d, 'd', v)
	case spec == "" || spec == "s" && !number:
		t = s.directed(d, 's', v)
	default:
		t = s.directed(d, verb, v)
	}
	if separator != "" {
		t = own(grouped(t.s, separator))
	}
	return s.aligned(t, fill, align, width, number)
}

// alignment takes the fill character, "" if there is none, and the alignment
// off a specification.
func alignment(spec string) (fill string, align byte, rest string) {
	if _, n := utf8.DecodeRuneInString(spec); n < len(spec) && strings.IndexByte("<>=^", spec[n]) >= 0 {
		return spec[:n], spec[n], spec[n+1:]
	}
	if spec != "" && strings.IndexByte("<>=^", spec[0]) >= 0 {
		return "", spec[0], spec[1:]
	}
	return "", 0, spec
}

func leadingNumber(s string) (n int, rest string) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.Atoi("0" + s[:digits])
	if err != nil || n > maxWidth {
		failf("a width of %s is too large", s[:digits])
	}
	return n, s[digits:]
}

// grouped puts a separator between each three digits before the point.
func grouped(number, separator string) string {
	start := len(number) - len(strings.TrimLeft(number, "+- "))
	end := start
	for end < len(number) && number[end] >= '0' && number[end] <= '9' {
		end++
	}
	for at := end - 3; at > start; at -= 3 {
		number = number[:at] + separator + number[at:]
	}
	return number
}

func (s *state) aligned(t text, fill string, align byte, width int, number bool) text {
	pad := width - t.chars()
	if pad <= 0 {
		return t
	}
	if align == 0 {
		align = '<'
		if number {
			align = '>'
		}
	}
	switch align {
	case '<':
		return s.padded(t, 0, pad, fill)
	case '>':
		return s.padded(t, pad, 0, fill)
	case '^':
		return s.padded(t, pad/2, pad-pad/2, fill)
	}
	return s.paddedNumber(t, pad, fill)
}

package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// str is Python's str(v).
func (s *state) str(v Value) text {
	switch v := v.(type) {
	case text:
		return v
	case *undefined:
		return text{}
	}
	return s.repr(v)
}

// repr is Python's repr(v).
func (s *state) repr(v Value) text {
	b := s.builder()
	b.repr(v)
	return b.text()
}

var pythonNames = map[any]string{nil: "None", true: "True", false: "False"}

// scalar writes v if it is none, a boolean or a number. names has those names
// in which Python and JSON differ.
func (b *builder) scalar(v Value, names map[any]string) bool {
	var t string
	switch v := v.(type) {
	case nil, bool:
		t = names[v]
	case int64:
		t = strconv.FormatInt(v, 10)
	case *big.Int:
		t = v.String()
	case float64:
		t = formatFloat(v)
		if name, ok := names[t]; ok {
			t = name
		}
	default:
		return false
	}
	b.addString(t)
	return true
}

func (b *builder) repr(v Value) {
	b.s.enter()
	defer b.s.leave()
	if b.scalar(v, pythonNames) {
		return
	}
	switch v := v.(type) {
	case *undefined:
		b.addString("Undefined")
	case text:
		b.reprText(v)
	case *list:
		switch {
		case !v.tuple:
			b.reprItems("[", v.items, "]")
		case len(v.items) == 1:
			b.reprItems("(", v.items, ",)")
		default:
			b.reprItems("(", v.items, ")")
		}
	case *Dict:
		b.reprDict(v)
	case *view:
		b.reprItems("dict_"+v.kind+"([", b.s.viewed(v), "])")
	case *numbers:
		if v.step == 1 {
			b.addString(fmt.Sprintf("range(%d, %d)", v.start, v.stop))
		} else {
			b.addString(fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step))
		}
	case *namespace:
		b.addString("<Namespace ")
		b.reprDict(v.vars)
		b.addString(">")
	case *loop:
		b.addString(fmt.Sprintf("<LoopContext %d/%d>", v.at+1, len(v.items)))
	case *function:
		b.addString("<function " + v.name + ">")
	default:
		b.addString("<" + typeName(v) + " object>")
	}
}

func (b *builder) reprItems(open string, items []Value, end string) {
	b.addString(open)
	for i, item := range items {
		if i > 0 {
			b.addString(", ")
		}
		b.repr(item)
	}
	b.addString(end)
}

func (b *builder) reprDict(d *Dict) {
	b.addString("{")
	for i, k := range d.keys {
		if i > 0 {
			b.addString(", ")
		}
		b.repr(k)
		b.addString(": ")
		b.repr(d.values[i])
	}
	b.addString("}")
}

// reprText writes a string as Python's repr does: in single quotes, unless it
// has some of these and no double ones.
func (b *builder) reprText(t text) {
	quote := '\''
	if strings.Contains(t.s, "'") && !strings.Contains(t.s, `"`) {
		quote = '"'
	}
	if t.safe {
		b.addString("Markup(")
	}
	b.addString(string(quote))
	b.addEscaped(t, func(r rune, source string) (string, bool) {
		switch {
		case r == quote || r == '\\':
			return `\` + string(r), true
		case r == '\n':
			return `\n`, true
		case r == '\r':
			return `\r`, true
		case r == '\t':
			return `\t`, true
		case r == '\uFFFD' && len(source) == 1:
			return fmt.Sprintf(`\x%02x`, source[0]), true
		case strconv.IsPrint(r):
			return "", false
		case r < 0x100:
			return fmt.Sprintf(`\x%02x`, r), true
		case r < 0x10000:
			return fmt.Sprintf(`\u%04x`, r), true
		}
		return fmt.Sprintf(`\U%08x`, r), true
	})
	b.addString(string(quote))
	if t.safe {
		b.addString(")")
	}
}

// htmlEscapes are markupsafe's.
var htmlEscapes = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\'': "&#39;", '"': "&#34;"}

// escaped returns t as HTML, unless it is that already.
func (s *state) escaped(t text) text {
	if t.safe {
		return t
	}
	b := s.builder()
	b.addEscaped(t, func(r rune, _ string) (string, bool) {
		e, ok := htmlEscapes[r]
		return e, ok
	})
	return b.text().marked(true)
}

package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Value is what a template computes with. It is one of
//
//	*undefined                  a variable, attribute or element that is not there
//	nil                         none
//	bool, int64, float64, text
//	*big.Int                    an integer beyond int64, which only JSON has; it
//	                            can be written and compared, not computed with
//	*list, *Dict
//	*view                       the keys, values or items of a dictionary
//	*generator                  what filters such as map return
//	*numbers                    a range
//	*namespace, *loop, *object, *function
type Value any

type undefined struct{ what string } // what: as in "what is undefined"

// list is a list or a tuple, which may have names for its items.
type list struct {
	items []Value
	tuple bool
	names []string
}

// generator can be gone through once.
type generator struct{ items []Value }

// numbers is Python's range.
type numbers struct{ start, stop, step, count int64 }

type namespace struct{ vars *Dict }

// object has attributes and can be called, such as a joiner.
type object struct {
	class      string
	call       func(s *state, a arguments) Value
	attributes map[string]Value
}

// function is a builtin, a method or a macro.
type function struct {
	name string
	call func(s *state, a arguments) Value
	// attributes of a macro, such as its name
	attributes map[string]Value
}

// List returns a list of values.
func List(items ...Value) Value { return &list{items: items} }

// Text returns text from outside. Own returns text that is as much trusted as
// the template's own, such as the text of a special token.
func Text(s string) Value { return foreign(s) }
func Own(s string) Value  { return own(s) }

// typeName is the name of a value's type in Python.
func typeName(v Value) string {
	switch v := v.(type) {
	case *undefined:
		return "Undefined"
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case text:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *view:
		return "dict_" + v.kind
	case *generator:
		return "generator"
	case *numbers:
		return "range"
	case *namespace:
		return "Namespace"
	case *object:
		return v.class
	case *loop:
		return "LoopContext"
	}
	return "function"
}

// truth is Python's bool(v).
func truth(v Value) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case text:
		return v.s != ""
	}
	n, sized := lengthOf(v)
	return n > 0 || !sized
}

// asInt is the number of an integer or a boolean, which Python counts among
// them.
func asInt(v Value) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

func asFloat(v Value) (float64, bool) {
	if n, ok := asInt(v); ok {
		return float64(n), true
	}
	f, ok := v.(float64)
	return f, ok
}

// elements returns what a loop over v goes through.
func (s *state) elements(v Value) []Value {
	switch v := v.(type) {
	case *undefined:
		return nil
	case text:
		return s.letters(v)
	case *list:
		return v.items
	case *Dict:
		return v.keys
	case *view:
		return s.viewed(v)
	case *generator:
		items := v.items
		v.items = nil
		return items
	case *numbers:
		s.take(24 * int(v.count))
		items := make([]Value, v.count)
		for i := range items {
			items[i] = v.start + int64(i)*v.step
		}
		return items
	}
	failf("a value of the type %s cannot be gone through", typeName(v))
	return nil
}

// letters returns the characters of a text.
func (s *state) letters(t text) []Value {
	s.take(96 * t.chars())
	t.safe = false
	var items []Value
	for at, r := range t.s {
		end := at + len(string(r))
		if r == '\uFFFD' && !strings.HasPrefix(t.s[at:], "\uFFFD") {
			end = at + 1 // a byte that is not UTF-8
		}
		items = append(items, t.slice(at, end))
	}
	return items
}

// iterable reports whether elements accepts v.
func iterable(v Value) bool {
	switch v.(type) {
	case *undefined, text, *list, *Dict, *view, *generator, *numbers:
		return true
	}
	return false
}

// length is Python's len(v).
func length(v Value) int {
	n, sized := lengthOf(v)
	if !sized {
		failf("a value of the type %s has no length", typeName(v))
	}
	return n
}

func lengthOf(v Value) (n int, sized bool) {
	switch v := v.(type) {
	case *undefined:
		return 0, true
	case text:
		return v.chars(), true
	case *list:
		return len(v.items), true
	case *Dict:
		return len(v.keys), true
	case *view:
		return len(v.dict.keys), true
	case *numbers:
		return int(v.count), true
	case *loop:
		return len(v.items), true
	}
	return 0, false
}

// formatFloat writes a number as Python's repr does.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	t := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(t, ".") {
		t += ".0"
	}
	return t
}

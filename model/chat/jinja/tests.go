package jinja

import "strings"

var tests map[string]builtin

// init, for the tests filter and test look into these tables.
func init() {
	tests = map[string]builtin{
		"defined":   kindTest(func(v Value) bool { _, ok := v.(*undefined); return !ok }),
		"undefined": kindTest(func(v Value) bool { _, ok := v.(*undefined); return ok }),
		"none":      kindTest(func(v Value) bool { return v == nil }),
		"boolean":   kindTest(func(v Value) bool { _, ok := v.(bool); return ok }),
		"true":      kindTest(func(v Value) bool { return v == true }),
		"false":     kindTest(func(v Value) bool { return v == false }),
		"integer":   kindTest(func(v Value) bool { return typeName(v) == "int" }),
		"float":     kindTest(func(v Value) bool { _, ok := v.(float64); return ok }),
		"number":    kindTest(func(v Value) bool { _, ok := asFloat(v); return ok || typeName(v) == "int" }),
		"string":    kindTest(func(v Value) bool { _, ok := v.(text); return ok }),
		"mapping":   kindTest(func(v Value) bool { _, ok := v.(*Dict); return ok }),
		"iterable":  kindTest(iterable),
		"sequence":  kindTest(isSequence),
		"callable":  kindTest(callable),
		"escaped":   kindTest(func(v Value) bool { t, ok := v.(text); return ok && t.safe }),
		"lower":     method("", func(s *state, v Value, _ []Value) Value { return isLower(s.str(v).s) }),
		"upper":     method("", func(s *state, v Value, _ []Value) Value { return isUpper(s.str(v).s) }),
		"odd":       method("", func(s *state, v Value, _ []Value) Value { return s.equal(s.operate("%", v, int64(2)), int64(1)) }),
		"even":      method("", func(s *state, v Value, _ []Value) Value { return s.equal(s.operate("%", v, int64(2)), int64(0)) }),
		"divisibleby": method("num", func(s *state, v Value, a []Value) Value {
			return s.equal(s.operate("%", v, a[0]), int64(0))
		}),
		"in":     method("seq", func(s *state, v Value, a []Value) Value { return s.contains(a[0], v) }),
		"sameas": method("other", func(s *state, v Value, a []Value) Value { return same(v, a[0]) }),
		"filter": method("", func(s *state, v Value, _ []Value) Value { return has(filters, v) }),
		"test":   method("", func(s *state, v Value, _ []Value) Value { return has(tests, v) }),
	}
	for op, names := range map[string]string{
		"==": "== eq equalto", "!=": "!= ne", "<": "< lt lessthan", "<=": "<= le", ">": "> gt greaterthan", ">=": ">= ge",
	} {
		for name := range strings.FieldsSeq(names) {
			tests[name] = method("other", func(s *state, v Value, a []Value) Value { return s.holds(op, v, a[0]) })
		}
	}
}

func kindTest(is func(v Value) bool) builtin {
	return method("", func(_ *state, v Value, _ []Value) Value { return is(v) })
}

// isSequence holds, as in jinja2, for what has a length and elements.
func isSequence(v Value) bool {
	switch v.(type) {
	case *generator, *view:
		return false
	}
	return iterable(v)
}

func callable(v Value) bool {
	switch v := v.(type) {
	case *function, *undefined, *loop:
		return true
	case *object:
		return v.call != nil
	}
	return false
}

// same is Python's "is", as far as a template can rely on it.
func same(a, b Value) bool {
	if x, ok := a.(text); ok {
		y, ok := b.(text)
		return ok && x.s == y.s
	}
	if _, ok := b.(text); ok {
		return false
	}
	return a == b
}

func has(table map[string]builtin, name Value) bool {
	t, ok := name.(text)
	_, there := table[t.s]
	return ok && there
}

package jinja

import (
	"slices"
	"strings"
)

// arguments are the values that a function is called with.
type arguments struct {
	positional []Value
	names      []string
	named      []Value
}

// missing stands for an argument that was not given.
type missing struct{}

// signature lists a builtin's parameters. Those from required on may be left
// out, and are missing{} then.
type signature struct {
	names    []string
	required int
}

// takes makes a signature of names; those with a question mark may be left out.
func takes(names string) signature {
	sig := signature{names: strings.Fields(names)}
	for i, n := range sig.names {
		if n, optional := strings.CutSuffix(n, "?"); optional {
			sig.names[i] = n
		} else {
			sig.required = i + 1
		}
	}
	return sig
}

// bind returns the values of the parameters.
func (sig signature) bind(what string, a arguments) []Value {
	values := make([]Value, len(sig.names))
	for i := range values {
		values[i] = missing{}
	}
	if len(a.positional) > len(values) {
		failf("%s takes at most %d arguments, not %d", what, len(values), len(a.positional))
	}
	copy(values, a.positional)
	for i, name := range a.names {
		at := slices.Index(sig.names, name)
		if at < 0 {
			failf("%s has no parameter %s", what, name)
		}
		if at < len(a.positional) {
			failf("%s got two values for %s", what, name)
		}
		values[at] = a.named[i]
	}
	for i := range sig.required {
		if values[i] == (missing{}) {
			failf("%s needs a value for %s", what, sig.names[i])
		}
	}
	return values
}

// given returns an argument, or a default for one that is missing.
func given(v, otherwise Value) Value {
	if v == (missing{}) {
		return otherwise
	}
	return v
}

// builtin is a filter, a test or a method: a function of a value and arguments.
// Errors call it what.
type builtin func(s *state, what string, v Value, a arguments) Value

// method makes a builtin with parameters of these names; see takes.
func method(parameters string, call func(s *state, v Value, a []Value) Value) builtin {
	sig := takes(parameters)
	return func(s *state, what string, v Value, a arguments) Value { return call(s, v, sig.bind(what, a)) }
}

// arguments computes the arguments of a call.
func (s *state) arguments(c callArguments, sc *scope) (a arguments) {
	for _, e := range c.positional {
		a.positional = append(a.positional, s.eval(e, sc))
	}
	if c.list != nil {
		more := s.elements(s.eval(c.list, sc))
		s.take(16 * len(more))
		a.positional = append(a.positional, more...)
	}
	for i, e := range c.keywords {
		a.names = append(a.names, c.names[i])
		a.named = append(a.named, s.eval(e, sc))
	}
	if c.dict != nil {
		d, ok := s.eval(c.dict, sc).(*Dict)
		if !ok {
			failf("what stands behind ** is no dictionary")
		}
		s.take(32 * len(d.keys))
		for i, k := range d.keys {
			a.names = append(a.names, s.wantText(k, "a name of an argument").s)
			a.named = append(a.named, d.values[i])
		}
	}
	return a
}

func (c *call) eval(s *state, sc *scope) Value {
	f := s.eval(c.function, sc)
	a := s.arguments(c.arguments, sc)
	s.at(c.at)
	return s.call(f, a)
}

// call calls what can be called.
func (s *state) call(f Value, a arguments) Value {
	switch f := f.(type) {
	case *function:
		s.enter()
		v := f.call(s, a)
		s.leave()
		return v
	case *object:
		if f.call != nil {
			return f.call(s, a)
		}
	case *loop:
		if f.again == nil {
			failf("loop can be called only in a recursive loop")
		}
		return f.again(s, takes("items").bind("loop", a)[0])
	}
	present(f)
	failf("a value of the type %s cannot be called", typeName(f))
	return nil
}

func (f *application) eval(s *state, sc *scope) Value {
	v := s.eval(f.of, sc)
	a := s.arguments(f.arguments, sc)
	s.at(f.at)
	return s.apply(f.kind, f.name, v, a)
}

// apply applies the filter or the test of that name.
func (s *state) apply(kind, name string, v Value, a arguments) Value {
	table := filters
	if kind == "test" {
		table = tests
	}
	b, ok := table[name]
	if !ok {
		failf("there is no %s %s", kind, name)
	}
	s.step(1)
	return b(s, "the "+kind+" "+name, v, a)
}

// present fails if a value is not there.
func present(v Value) {
	if u, ok := v.(*undefined); ok {
		failf("%s is undefined", u.what)
	}
}

// The functions below return arguments of a type, and fail for others. what
// says what the value is for.

func want[T Value](s *state, v Value, what, kind string) T {
	t, ok := v.(T)
	if !ok {
		s.wrong(v, what, kind)
	}
	return t
}

func (s *state) wantText(v Value, what string) text  { return want[text](s, v, what, "a string") }
func (s *state) wantDict(v Value, what string) *Dict { return want[*Dict](s, v, what, "a dictionary") }

func (s *state) wantInt(v Value, what string) int {
	n, ok := asInt(v)
	if !ok {
		s.wrong(v, what, "an integer")
	}
	return int(n)
}

func (s *state) wantFloat(v Value, what string) float64 {
	f, ok := asFloat(v)
	if !ok {
		s.wrong(v, what, "a number")
	}
	return f
}

func (s *state) wrong(v Value, what, kind string) {
	present(v)
	failf("%s is of the type %s, expected %s", what, typeName(v), kind)
}

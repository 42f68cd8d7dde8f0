package jinja

import "slices"

func (m *macro) exec(s *state, sc *scope) signal {
	s.take(128)
	sc.set(m.name, m.function(sc))
	return running
}

// function returns the macro as a value that sees the variables of sc.
func (m *macro) function(sc *scope) *function {
	names := make([]Value, len(m.names))
	for i, n := range m.names {
		names[i] = own(n)
	}
	return &function{
		name: m.name,
		call: func(s *state, a arguments) Value { return m.call(s, a, sc) },
		attributes: map[string]Value{
			"name": own(m.name), "arguments": &list{tuple: true, items: names}, "caller": m.uses["caller"],
			"catch_varargs": m.uses["varargs"], "catch_kwargs": m.uses["kwargs"],
		},
	}
}

// call executes the body with the variables of the scope that the macro was
// defined in.
func (m *macro) call(s *state, a arguments, sc *scope) Value {
	line := s.line
	inner := &scope{parent: sc}
	s.take(64 * (len(m.names) + 4))
	m.bind(a, inner)
	first := len(m.names) - len(m.defaults) // that has a default
	for i, name := range m.names {
		switch {
		case slices.Contains(inner.names, name):
		case i < first:
			inner.set(name, &undefined{"parameter " + name})
		default:
			inner.set(name, s.eval(m.defaults[i-first], inner))
		}
	}
	t := s.captured(func() { s.body(m.body, inner) })
	s.line = line
	return t
}

// bind sets the parameters that arguments are given for, and what the body uses
// of the others.
func (m *macro) bind(a arguments, inner *scope) {
	var varargs []Value
	kwargs := NewDict()
	for i, v := range a.positional {
		if i < len(m.names) {
			inner.set(m.names[i], v)
		} else {
			varargs = append(varargs, v)
		}
	}
	for i, name := range a.names {
		switch {
		case slices.Contains(inner.names, name):
			failf("the macro %s is called with two values for %s", m.name, name)
		case slices.Contains(m.names, name), name == "caller" && m.uses["caller"]:
			inner.set(name, a.named[i])
		default:
			kwargs.set(own(name), a.named[i])
		}
	}
	if len(varargs) > 0 && !m.uses["varargs"] {
		failf("the macro %s takes %d arguments and is called with %d", m.name, len(m.names), len(a.positional))
	}
	if len(kwargs.keys) > 0 && !m.uses["kwargs"] {
		failf("the macro %s has no parameter %s", m.name, kwargs.keys[0].(text).s)
	}
	if m.uses["varargs"] {
		inner.set("varargs", &list{tuple: true, items: varargs})
	}
	if m.uses["kwargs"] {
		inner.set("kwargs", kwargs)
	}
	if m.uses["caller"] && !slices.Contains(inner.names, "caller") {
		inner.set("caller", &undefined{"caller"})
	}
}

func (b *callBlock) exec(s *state, sc *scope) signal {
	s.at(b.at)
	a := s.arguments(b.call.arguments, sc)
	a.names = append(a.names, "caller")
	a.named = append(a.named, b.caller.function(sc))
	s.out.add(s.str(s.call(s.eval(b.call.function, sc), a)))
	return running
}

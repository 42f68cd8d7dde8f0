package jinja

import "slices"

// signal says how a body ended; break and continue are statements that end
// it so.
type signal int

const (
	running signal = iota
	breaking
	continuing
)

// state is a template in execution.
type state struct {
	out                 *builder
	vars                *Dict
	steps, bytes, depth int
	line                int
}

// scope holds the variables of a body. Those of the bodies around it can be
// read, and are hidden by what the body sets.
type scope struct {
	parent *scope
	names  []string
	values []Value
}

func (sc *scope) set(name string, v Value) {
	if i := slices.Index(sc.names, name); i >= 0 {
		sc.values[i] = v
		return
	}
	sc.names = append(sc.names, name)
	sc.values = append(sc.values, v)
}

// lookup returns the value of a variable.
func (s *state) lookup(sc *scope, name string) Value {
	for ; sc != nil; sc = sc.parent {
		if i := slices.Index(sc.names, name); i >= 0 {
			return sc.values[i]
		}
	}
	if v, ok := s.vars.lookup(name); ok {
		return v
	}
	if v, ok := globals[name]; ok {
		return v
	}
	return &undefined{name}
}

// Render executes the template with these variables. The error is an [*Error].
func (t *Template) Render(vars *Dict) (_ []Part, err error) {
	n := size(vars)
	s := &state{vars: vars, steps: baseSteps + stepsPerByte*n, bytes: baseBytes + bytesPerByte*n}
	s.out = s.builder()
	defer caught(&err, &s.line)
	s.body(t.body, new(scope))
	return s.out.text().parts(), nil
}

// size is about the number of bytes of a variable's value.
func size(v Value) int {
	n := 8
	switch v := v.(type) {
	case text:
		n += len(v.s)
	case *list:
		for _, item := range v.items {
			n += size(item)
		}
	case *Dict:
		for i, k := range v.keys {
			n += size(k) + size(v.values[i])
		}
	}
	return n
}

// body executes statements.
func (s *state) body(list []node, sc *scope) signal {
	s.enter()
	defer s.leave()
	for _, n := range list {
		s.step(1)
		if sig := n.exec(s, sc); sig != running {
			return sig
		}
	}
	return running
}

// captured returns what run writes.
func (s *state) captured(run func()) text {
	out := s.out
	s.out = s.builder()
	run()
	t := s.out.text()
	s.out = out
	return t
}

// eval computes an expression.
func (s *state) eval(e expr, sc *scope) Value {
	s.step(1)
	s.enter()
	v := e.eval(s, sc)
	s.leave()
	return v
}

func (s *state) at(line at) { s.line = int(line) }

func (o *output) exec(s *state, sc *scope) signal {
	for _, e := range o.parts {
		s.at(o.at)
		v := s.eval(e, sc)
		s.at(o.at)
		s.out.add(s.str(v))
	}
	return running
}

func (f *ifElse) exec(s *state, sc *scope) signal {
	for i, t := range f.tests {
		if truth(s.eval(t, sc)) {
			return s.body(f.bodies[i], sc)
		}
	}
	return s.body(f.otherwise, sc)
}

func (a *assign) exec(s *state, sc *scope) signal {
	v := s.eval(a.value, sc)
	s.at(a.at)
	s.assign(a.target, v, sc)
	return running
}

// assign sets a target to a value.
func (s *state) assign(target expr, v Value, sc *scope) {
	switch t := target.(type) {
	case *variable:
		s.take(48)
		sc.set(t.name, v)
	case *member:
		n, ok := s.lookup(sc, t.name).(*namespace)
		if !ok {
			s.at(t.at)
			failf("%s.%s can be set only if %s is a namespace", t.name, t.attribute, t.name)
		}
		s.take(128)
		n.vars.set(own(t.attribute), v)
	case *tupleOf:
		items := s.elements(v)
		if len(items) != len(t.items) {
			failf("%d values cannot be assigned to %d names", len(items), len(t.items))
		}
		for i, item := range t.items {
			s.assign(item, items[i], sc)
		}
	}
}

func (w *with) exec(s *state, sc *scope) signal {
	inner := &scope{parent: sc}
	for i, target := range w.targets {
		v := s.eval(w.values[i], sc)
		s.at(w.at)
		s.assign(target, v, inner)
	}
	return s.body(w.body, inner)
}

func (sig signal) exec(*state, *scope) signal { return sig }

package jinja

// loop is the variable of that name in a loop's body.
type loop struct {
	items   []Value
	at      int
	depth   int // from 0
	changed []Value
	// again loops over something else with the body, in a recursive loop.
	again func(s *state, v Value) text
}

func (f *forLoop) exec(s *state, sc *scope) signal {
	over := s.eval(f.over, sc)
	s.at(f.at)
	f.run(s, sc, over, 0)
	return running
}

func (f *forLoop) run(s *state, sc *scope, over Value, depth int) {
	items := s.elements(over)
	if f.test != nil {
		items = f.selected(s, sc, items)
	}
	if len(items) == 0 {
		s.body(f.otherwise, &scope{parent: sc})
		return
	}
	l := &loop{items: items, depth: depth}
	if f.recursive {
		l.again = func(s *state, v Value) text {
			s.enter()
			defer s.leave()
			return s.captured(func() { f.run(s, sc, v, depth+1) })
		}
	}
	for i, item := range items {
		s.step(1)
		l.at = i
		inner := &scope{parent: sc, names: []string{"loop"}, values: []Value{l}}
		s.assign(f.target, item, inner)
		if s.body(f.body, inner) == breaking {
			return
		}
	}
}

// selected returns the items that pass the loop's test.
func (f *forLoop) selected(s *state, sc *scope, items []Value) (passed []Value) {
	for _, item := range items {
		inner := &scope{parent: sc}
		s.assign(f.target, item, inner)
		if truth(s.eval(f.test, inner)) {
			s.take(16)
			passed = append(passed, item)
		}
	}
	return passed
}

// attribute returns an attribute of the loop variable.
func (l *loop) attribute(name string) (Value, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), true
	case "index0":
		return int64(l.at), true
	case "revindex":
		return int64(n - l.at), true
	case "revindex0":
		return int64(n - l.at - 1), true
	case "first":
		return l.at == 0, true
	case "last":
		return l.at == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.at == 0 {
			return &undefined{"the item before the first"}, true
		}
		return l.items[l.at-1], true
	case "nextitem":
		if l.at == n-1 {
			return &undefined{"the item after the last"}, true
		}
		return l.items[l.at+1], true
	case "cycle":
		return &function{name: name, call: func(_ *state, a arguments) Value {
			if len(a.positional) == 0 {
				failf("loop.cycle needs values to go through")
			}
			return a.positional[l.at%len(a.positional)]
		}}, true
	case "changed":
		return &function{name: name, call: func(s *state, a arguments) Value {
			before := l.changed
			l.changed = append([]Value{}, a.positional...)
			return before == nil || !s.equal(&list{before}, &list{l.changed})
		}}, true
	}
	return nil, false
}

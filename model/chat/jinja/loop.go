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

// loopAttributes are the attributes of the loop variable.
var loopAttributes = map[string]func(l *loop) Value{
	"index":     func(l *loop) Value { return int64(l.at + 1) },
	"index0":    func(l *loop) Value { return int64(l.at) },
	"revindex":  func(l *loop) Value { return int64(len(l.items) - l.at) },
	"revindex0": func(l *loop) Value { return int64(len(l.items) - l.at - 1) },
	"first":     func(l *loop) Value { return l.at == 0 },
	"last":      func(l *loop) Value { return l.at == len(l.items)-1 },
	"length":    func(l *loop) Value { return int64(len(l.items)) },
	"depth":     func(l *loop) Value { return int64(l.depth + 1) },
	"depth0":    func(l *loop) Value { return int64(l.depth) },
	"previtem":  func(l *loop) Value { return l.item(l.at-1, "the item before the first") },
	"nextitem":  func(l *loop) Value { return l.item(l.at+1, "the item after the last") },
	"cycle":     func(l *loop) Value { return &function{name: "cycle", call: l.cycle} },
	"changed":   func(l *loop) Value { return &function{name: "changed", call: l.change} },
}

// item returns an item of the loop, or what is undefined outside of it.
func (l *loop) item(i int, what string) Value {
	if i < 0 || i >= len(l.items) {
		return &undefined{what}
	}
	return l.items[i]
}

// cycle is loop.cycle, which picks the argument of this turn.
func (l *loop) cycle(_ *state, a arguments) Value {
	if len(a.positional) == 0 {
		failf("loop.cycle needs values to go through")
	}
	return a.positional[l.at%len(a.positional)]
}

// change is loop.changed: whether the arguments are others than last time.
func (l *loop) change(s *state, a arguments) Value {
	before := l.changed
	l.changed = append([]Value{}, a.positional...)
	return before == nil || !s.equal(&list{items: before}, &list{items: l.changed})
}

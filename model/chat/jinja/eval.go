package jinja

import "slices"

func (c *constant) eval(*state, *scope) Value { return c.value }

func (c *captured) eval(s *state, sc *scope) Value {
	return s.captured(func() { s.body(c.body, &scope{parent: sc}) })
}

func (v *variable) eval(s *state, sc *scope) Value {
	s.at(v.at)
	return s.lookup(sc, v.name)
}

// eval is not called: a member stands only where something is assigned to it.
func (m *member) eval(*state, *scope) Value { return nil }

func (s *state) all(list []expr, sc *scope) []Value {
	s.take(24 + 16*len(list))
	values := make([]Value, len(list))
	for i, e := range list {
		values[i] = s.eval(e, sc)
	}
	return values
}

func (l *listOf) eval(s *state, sc *scope) Value { return &list{items: s.all(l.items, sc)} }
func (t *tupleOf) eval(s *state, sc *scope) Value {
	return &list{tuple: true, items: s.all(t.items, sc)}
}

func (d *dictOf) eval(s *state, sc *scope) Value {
	s.take(64 + 128*len(d.keys))
	dict := NewDict()
	for i, k := range d.keys {
		key := s.eval(k, sc)
		v := s.eval(d.values[i], sc)
		s.at(d.at)
		dict.set(key, v)
	}
	return dict
}

func (c *conditional) eval(s *state, sc *scope) Value {
	if truth(s.eval(c.test, sc)) {
		return s.eval(c.yes, sc)
	}
	if c.no == nil {
		return &undefined{"the value of an if without else"}
	}
	return s.eval(c.no, sc)
}

func (l *logic) eval(s *state, sc *scope) Value {
	if v := s.eval(l.left, sc); truth(v) == l.or {
		return v
	}
	return s.eval(l.right, sc)
}

func (n *not) eval(s *state, sc *scope) Value { return !truth(s.eval(n.of, sc)) }

func (c *compare) eval(s *state, sc *scope) Value {
	left := s.eval(c.first, sc)
	for i, op := range c.operators {
		right := s.eval(c.operands[i], sc)
		s.at(c.at)
		if !s.holds(op, left, right) {
			return false
		}
		left = right
	}
	return true
}

func (s *state) holds(op string, left, right Value) bool {
	switch op {
	case "==":
		return s.equal(left, right)
	case "!=":
		return !s.equal(left, right)
	case "in":
		return s.contains(right, left)
	case "not in":
		return !s.contains(right, left)
	}
	n := s.order(left, right)
	switch op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n == more
	}
	return n == more || n == 0
}

func (c *concat) eval(s *state, sc *scope) Value {
	b := s.builder()
	for _, e := range c.parts {
		v := s.eval(e, sc)
		s.at(c.at)
		b.add(s.str(v))
	}
	return b.text()
}

func (a *attribute) eval(s *state, sc *scope) Value {
	of := s.eval(a.of, sc)
	s.at(a.at)
	return s.attribute(of, a.name)
}

// attribute returns v.name: an attribute, or else the element of that key.
func (s *state) attribute(v Value, name string) Value {
	present(v)
	if name != "" && name[0] != '_' {
		if a, ok := s.own(v, name); ok {
			return a
		}
	}
	if d, ok := v.(*Dict); ok {
		if item, ok := d.lookup(name); ok {
			return item
		}
	}
	return &undefined{"the attribute " + name}
}

// own returns an attribute that the value has by its type, such as a method.
func (s *state) own(v Value, name string) (Value, bool) {
	switch v := v.(type) {
	case *namespace:
		return v.vars.lookup(name)
	case *list:
		if i := slices.Index(v.names, name); i >= 0 {
			return v.items[i], true
		}
	case *loop:
		if get, ok := loopAttributes[name]; ok {
			return get(v), true
		}
	case *object:
		a, ok := v.attributes[name]
		return a, ok
	case *function:
		a, ok := v.attributes[name]
		return a, ok
	}
	m, ok := methods(v)[name]
	if !ok {
		return nil, false
	}
	return &function{name: name, call: func(s *state, a arguments) Value {
		s.step(1)
		return m(s, "the method "+name, v, a)
	}}, true
}

func (b *subscript) eval(s *state, sc *scope) Value {
	of := s.eval(b.of, sc)
	if sl, ok := b.key.(*sliceOf); ok {
		return s.slice(of, sl, sc)
	}
	key := s.eval(b.key, sc)
	s.at(b.at)
	return s.subscript(of, key)
}

// subscript returns v[key]: an element, or else the attribute of that name.
func (s *state) subscript(v, key Value) Value {
	present(v)
	if d, ok := v.(*Dict); ok {
		if item, ok := s.get(d, key); ok {
			return item
		}
	} else if i, ok := asInt(key); ok {
		if item, ok := s.element(v, i); ok {
			return item
		}
	}
	if name, ok := key.(text); ok && name.s != "" && name.s[0] != '_' {
		if a, ok := s.own(v, name.s); ok {
			return a
		}
		return &undefined{"the element " + name.s}
	}
	return &undefined{"the element " + s.repr(key).s}
}

// element returns element i of a sequence, from its end if i is negative.
func (s *state) element(v Value, i int64) (Value, bool) {
	if t, ok := v.(text); ok {
		s.scan(len(t.s))
	}
	n, _ := lengthOf(v)
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return nil, false
	}
	switch v := v.(type) {
	case text:
		at := v.offset(int(i))
		s.take(96)
		return v.slice(at, at+v.slice(at, len(v.s)).offset(1)), true
	case *numbers:
		return v.start + i*v.step, true
	case *list:
		return v.items[i], true
	}
	return nil, false
}

// eval is not called: a slice stands only in a subscript.
func (sl *sliceOf) eval(*state, *scope) Value { return nil }

// slice returns v[start:stop:step].
func (s *state) slice(v Value, sl *sliceOf, sc *scope) Value {
	bound := func(e expr) *int64 {
		if e == nil {
			return nil
		}
		b := s.eval(e, sc)
		if b == nil {
			return nil
		}
		n := int64(s.wantInt(b, "a bound of a slice"))
		return &n
	}
	start, stop, step := bound(sl.start), bound(sl.stop), bound(sl.step)
	s.at(sl.at)
	by := int64(1)
	if step != nil {
		by = *step
	}
	if by == 0 {
		failf("the step of a slice is 0")
	}
	switch v := v.(type) {
	case text:
		return s.sliceText(v, start, stop, by)
	case *list:
		return &list{tuple: v.tuple, items: s.sliceItems(v.items, start, stop, by)}
	case *numbers:
		first, count := bounds(v.count, start, stop, by)
		from, step := v.start+first*v.step, v.step*by
		return &numbers{from, from + count*step, step, count}
	}
	s.wrong(v, "what a slice is taken of", "a string or a list")
	return nil
}

// bounds returns the first index of a slice of n elements, and their number.
func bounds(n int64, start, stop *int64, step int64) (first, count int64) {
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	clamp := func(p *int64, otherwise int64) int64 {
		if p == nil {
			return otherwise
		}
		i := *p
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	if step > 0 {
		first = clamp(start, low)
		if stop := clamp(stop, high); stop > first {
			count = (stop-first-1)/step + 1
		}
		return first, count
	}
	first = clamp(start, high)
	if stop := clamp(stop, low); stop < first {
		// Unsigned, for the smallest number has no opposite.
		count = int64(uint64(first-stop-1)/-uint64(step)) + 1
	}
	return first, count
}

func (s *state) sliceItems(items []Value, start, stop *int64, step int64) []Value {
	first, count := bounds(int64(len(items)), start, stop, step)
	s.take(24 + 16*int(count))
	part := make([]Value, count)
	for i := range part {
		part[i] = items[first+int64(i)*step]
	}
	return part
}

func (s *state) sliceText(t text, start, stop *int64, step int64) text {
	s.scan(len(t.s))
	first, count := bounds(int64(t.chars()), start, stop, step)
	if count == 0 {
		return text{}
	}
	if step == 1 {
		s.take(t.size())
		from := t.offset(int(first))
		rest := t.slice(from, len(t.s))
		return rest.slice(0, rest.offset(int(count)))
	}
	letters := s.letters(t)
	b := s.builder()
	for i := range count {
		b.add(letters[first+i*step].(text))
	}
	return b.text()
}

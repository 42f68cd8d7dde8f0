package jinja

import (
	"cmp"
	"math"
	"math/big"
	"strings"
)

// equal is Python's ==.
func (s *state) equal(a, b Value) bool {
	s.step(1)
	s.enter()
	defer s.leave()
	if n, ok := compareNumbers(a, b); ok {
		return n == 0
	}
	switch a := a.(type) {
	case *undefined:
		_, ok := b.(*undefined)
		return ok
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0
	case text:
		b, ok := b.(text)
		s.scan(min(len(a.s), len(b.s)))
		return ok && a.s == b.s
	case *list:
		b, ok := b.(*list)
		return ok && a.tuple == b.tuple && s.equalItems(a.items, b.items)
	case *numbers:
		b, ok := b.(*numbers)
		return ok && s.equalItems(s.elements(a), s.elements(b))
	case *Dict:
		b, ok := b.(*Dict)
		return ok && s.equalDicts(a, b)
	}
	return a == b
}

func (s *state) equalItems(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !s.equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (s *state) equalDicts(a, b *Dict) bool {
	if len(a.keys) != len(b.keys) {
		return false
	}
	for i, k := range a.keys {
		v, ok := s.get(b, k)
		if !ok || !s.equal(a.values[i], v) {
			return false
		}
	}
	return true
}

// contains is Python's "item in v".
func (s *state) contains(v, item Value) bool {
	switch v := v.(type) {
	case text:
		t := s.wantText(item, "what is looked for in a string")
		s.scan(len(v.s))
		return strings.Contains(v.s, t.s)
	case *Dict:
		_, ok := s.get(v, item)
		return ok
	}
	for _, e := range s.elements(v) {
		if s.equal(e, item) {
			return true
		}
	}
	return false
}

// Results of order.
const (
	less      = -1
	more      = 1
	unordered = 2 // there is a NaN
)

// compareNumbers is order for two numbers, if a and b are.
func compareNumbers(a, b Value) (n int, ok bool) {
	i, exact := asInt(a)
	j, both := asInt(b)
	if exact && both {
		return cmp.Compare(i, j), true
	}
	x, ok := asFloat(a)
	y, numbers := asFloat(b)
	if math.IsNaN(x) || math.IsNaN(y) {
		return unordered, ok && numbers
	}
	return cmp.Compare(x, y), ok && numbers
}

// order compares values that have an order.
func (s *state) order(a, b Value) int {
	s.step(1)
	s.enter()
	defer s.leave()
	if n, ok := compareNumbers(a, b); ok {
		return n
	}
	switch a := a.(type) {
	case text:
		if b, ok := b.(text); ok {
			s.scan(min(len(a.s), len(b.s)))
			return strings.Compare(a.s, b.s)
		}
	case *list:
		if b, ok := b.(*list); ok && a.tuple == b.tuple {
			return s.orderItems(a.items, b.items)
		}
	}
	present(a)
	present(b)
	failf("values of the types %s and %s have no order", typeName(a), typeName(b))
	return 0
}

func (s *state) orderItems(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if !s.equal(a[i], b[i]) {
			return s.order(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

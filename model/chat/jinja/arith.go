package jinja

import (
	"math"
	"math/big"
	"math/bits"
)

func (n *signed) eval(s *state, sc *scope) Value {
	v := s.eval(n.of, sc)
	s.at(n.at)
	if i, ok := asInt(v); ok {
		return multiplied(n.sign, i)
	}
	return float64(n.sign) * s.wantFloat(v, "what a sign stands before")
}

func (b *binary) eval(s *state, sc *scope) Value {
	left := s.eval(b.left, sc)
	right := s.eval(b.right, sc)
	s.at(b.at)
	return s.operate(b.operator, left, right)
}

// operate computes what stands between two values.
func (s *state) operate(op string, left, right Value) Value {
	for _, v := range []Value{left, right} {
		present(v)
		if _, ok := v.(*big.Int); ok {
			tooLarge()
		}
	}
	i, exact := asInt(left)
	j, both := asInt(right)
	if exact && both && op != "/" && (op != "**" || j >= 0) {
		return integers(op, i, j)
	}
	x, ok := asFloat(left)
	y, numbers := asFloat(right)
	if ok && numbers {
		return floats(op, x, y)
	}
	switch op {
	case "+":
		if v, ok := s.joinedTo(left, right); ok {
			return v
		}
	case "*":
		if v, ok := s.repeated(left, right); ok {
			return v
		}
	case "%":
		if t, ok := left.(text); ok {
			return s.printf(t, right)
		}
	}
	failf("%s cannot be computed of the types %s and %s", op, typeName(left), typeName(right))
	return nil
}

// joinedTo adds two sequences of one type.
func (s *state) joinedTo(left, right Value) (Value, bool) {
	switch a := left.(type) {
	case text:
		if b, ok := right.(text); ok {
			if a.safe != b.safe {
				a, b = s.escaped(a), s.escaped(b)
			}
			return s.joined([]text{a, b}, text{}).marked(a.safe), true
		}
	case *list:
		if b, ok := right.(*list); ok && a.tuple == b.tuple {
			return &list{tuple: a.tuple, items: s.appended(a.items, b.items)}, true
		}
	}
	return nil, false
}

func (s *state) appended(a, b []Value) []Value {
	s.take(24 + 16*(len(a)+len(b)))
	return append(append(make([]Value, 0, len(a)+len(b)), a...), b...)
}

// repeated repeats a sequence as often as the other value says.
func (s *state) repeated(a, b Value) (Value, bool) {
	if _, first := asInt(a); first {
		a, b = b, a
	}
	n, ok := asInt(b)
	if !ok {
		return nil, false
	}
	n = max(n, 0)
	room := func(size int) {
		if hi, lo := bits.Mul64(uint64(n), uint64(size)); hi != 0 || lo > math.MaxInt32 {
			s.take(math.MaxInt32)
		}
	}
	switch a := a.(type) {
	case text:
		room(len(a.s))
		b := s.builder()
		if a.s != "" {
			for range n {
				b.add(a)
			}
		}
		return b.text().marked(a.safe), true
	case *list:
		return &list{tuple: a.tuple, items: s.repeatedItems(a.items, n, room)}, true
	}
	return nil, false
}

func (s *state) repeatedItems(items []Value, n int64, room func(int)) (all []Value) {
	room(16 * len(items))
	if len(items) == 0 {
		return nil
	}
	s.take(16 * len(items) * int(n))
	for range n {
		all = append(all, items...)
	}
	return all
}

func tooLarge() { failf("an integer is too large") }

func multiplied(i, j int64) int64 {
	n := i * j
	if i != 0 && (n/i != j || i == -1 && j == math.MinInt64) {
		tooLarge()
	}
	return n
}

// integers computes what has an integer as its result.
func integers(op string, i, j int64) Value {
	switch op {
	case "+":
		n := i + j
		if (n < i) != (j < 0) {
			tooLarge()
		}
		return n
	case "-":
		n := i - j
		if (n > i) != (j < 0) {
			tooLarge()
		}
		return n
	case "*":
		return multiplied(i, j)
	case "**":
		return power(i, j)
	}
	if j == 0 {
		failf("division by zero")
	}
	n, rest := i/j, i%j
	if rest != 0 && (rest < 0) != (j < 0) {
		n, rest = n-1, rest+j
	}
	switch {
	case op == "%":
		return rest
	case i == math.MinInt64 && j == -1:
		tooLarge()
	}
	return n
}

// power returns i**j.
func power(i, j int64) int64 {
	n := int64(1)
	for ; j > 0; j >>= 1 {
		if j&1 == 1 {
			n = multiplied(n, i)
		}
		if j > 1 {
			i = multiplied(i, i)
		}
	}
	return n
}

func floats(op string, x, y float64) Value {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "**":
		if x == 0 && y < 0 {
			failf("zero has no negative power")
		}
		if x < 0 && y != math.Trunc(y) {
			failf("a power of a negative number is not real")
		}
		return math.Pow(x, y)
	}
	if y == 0 {
		failf("division by zero")
	}
	if op == "/" {
		return x / y
	}
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	if op == "%" {
		return m
	}
	// As Python does it, so that x == x//y*y + x%y as nearly as can be.
	quotient := (x - m) / y
	n := math.Floor(quotient)
	if quotient-n > 0.5 {
		n++
	}
	return n
}

package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// sequenceFilters are the filters of lists.
func sequenceFilters() map[string]builtin {
	return map[string]builtin{
		"first": method("", func(s *state, v Value, _ []Value) Value {
			if items := s.elements(v); len(items) > 0 {
				return items[0]
			}
			return &undefined{"the first element of nothing"}
		}),
		"last": method("", func(s *state, v Value, _ []Value) Value {
			if _, ok := v.(*generator); ok {
				s.wrong(v, "what last is taken of", "a list")
			}
			if items := s.elements(v); len(items) > 0 {
				return items[len(items)-1]
			}
			return &undefined{"the last element of nothing"}
		}),
		"join": method("d? attribute?", func(s *state, v Value, a []Value) Value {
			get := s.getter(given(a[1], nil), nil)
			var parts []text
			for _, item := range s.elements(v) {
				s.take(56)
				parts = append(parts, s.str(get(item)))
			}
			return s.joined(parts, s.str(given(a[0], text{})))
		}),
		"reverse": method("", func(s *state, v Value, _ []Value) Value {
			if t, ok := v.(text); ok {
				return s.sliceText(t, nil, nil, -1)
			}
			items := s.appended(s.elements(v), nil)
			slices.Reverse(items)
			return &generator{items}
		}),
		"sort":     method("reverse? case_sensitive? attribute?", (*state).sorted),
		"dictsort": method("case_sensitive? by? reverse?", (*state).dictSorted),
		"unique":   method("case_sensitive? attribute?", (*state).unique),
		"groupby":  method("attribute default? case_sensitive?", (*state).grouped),
		"min":      extreme(less),
		"max":      extreme(more),
		"sum": method("attribute? start?", func(s *state, v Value, a []Value) Value {
			get := s.getter(given(a[0], nil), nil)
			total := given(a[1], int64(0))
			for _, item := range s.elements(v) {
				total = s.operate("+", total, get(item))
			}
			return total
		}),
		"slice":      method("slices fill_with?", (*state).slices),
		"batch":      method("linecount fill_with?", (*state).batches),
		"map":        (*state).mapFilter,
		"select":     selecting(false, true),
		"reject":     selecting(false, false),
		"selectattr": selecting(true, true),
		"rejectattr": selecting(true, false),
	}
}

// getter returns a function that takes an attribute such as "function.name"
// from a value, which is otherwise where there is none; the value itself if
// attribute is nil.
func (s *state) getter(attribute, otherwise Value) func(Value) Value {
	var keys []Value
	switch a := attribute.(type) {
	case nil:
		return func(v Value) Value { return v }
	case text:
		for part := range strings.SplitSeq(a.s, ".") {
			if n, err := strconv.ParseUint(part, 10, 31); err == nil {
				keys = append(keys, int64(n))
			} else {
				keys = append(keys, own(part))
			}
		}
	default:
		keys = []Value{a}
	}
	return func(v Value) Value {
		for _, k := range keys {
			v = s.subscript(v, k)
			if _, ok := v.(*undefined); ok && otherwise != nil {
				v = otherwise
			}
		}
		return v
	}
}

// comparer returns a function that orders items by their keys.
func (s *state) comparer(key func(Value) Value, caseSensitive, reverse bool) func(a, b Value) int {
	return func(a, b Value) int {
		a, b = key(a), key(b)
		if !caseSensitive {
			a, b = s.folded(a), s.folded(b)
		}
		n := s.order(a, b)
		if n == unordered {
			n = 0
		}
		if reverse {
			n = -n
		}
		return n
	}
}

func (s *state) sorted(v Value, a []Value) Value {
	items := s.appended(s.elements(v), nil)
	reverse, sensitive := truth(given(a[0], false)), truth(given(a[1], false))
	var keys []func(a, b Value) int
	attributes := []Value{given(a[2], nil)}
	if t, ok := attributes[0].(text); ok {
		attributes = nil
		for part := range strings.SplitSeq(t.s, ",") {
			attributes = append(attributes, own(part))
		}
	}
	for _, attribute := range attributes {
		keys = append(keys, s.comparer(s.getter(attribute, nil), sensitive, reverse))
	}
	slices.SortStableFunc(items, func(a, b Value) int {
		for _, by := range keys {
			if n := by(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	return &list{items: items}
}

func (s *state) dictSorted(v Value, a []Value) Value {
	items := s.viewed(&view{"items", s.wantDict(v, "what dictsort takes")})
	at := 0
	switch by := s.str(given(a[1], own("key"))).s; by {
	case "key":
	case "value":
		at = 1
	default:
		failf("dictsort sorts by key or value, not by %s", by)
	}
	key := func(v Value) Value { return v.(*list).items[at] }
	slices.SortStableFunc(items, s.comparer(key, truth(given(a[0], false)), truth(given(a[2], false))))
	return &list{items: items}
}

func (s *state) unique(v Value, a []Value) Value {
	get := s.getter(given(a[1], nil), nil)
	seen := map[key]bool{}
	var items []Value
	for _, item := range s.elements(v) {
		k := get(item)
		if !truth(given(a[0], false)) {
			k = s.folded(k)
		}
		s.take(128)
		if h := hash(k); !seen[h] {
			seen[h] = true
			items = append(items, item)
		}
	}
	return &generator{items}
}

// grouped is the filter groupby: pairs of a value, also called grouper, and
// the list of what has it.
func (s *state) grouped(v Value, a []Value) Value {
	get := s.getter(a[0], given(a[1], nil))
	sensitive := truth(given(a[2], false))
	order := s.comparer(get, sensitive, false)
	items := s.appended(s.elements(v), nil)
	slices.SortStableFunc(items, order)
	var groups []Value
	for i := 0; i < len(items); {
		j := i + 1
		for j < len(items) && order(items[i], items[j]) == 0 {
			j++
		}
		s.take(128)
		groups = append(groups, &list{items: []Value{get(items[i]), &list{items: items[i:j]}}, tuple: true, names: []string{"grouper", "list"}})
		i = j
	}
	return &list{items: groups}
}

// extreme makes min or max.
func extreme(want int) builtin {
	return method("case_sensitive? attribute?", func(s *state, v Value, a []Value) Value {
		items := s.elements(v)
		if len(items) == 0 {
			return &undefined{"the extreme of nothing"}
		}
		order := s.comparer(s.getter(given(a[1], nil), nil), truth(given(a[0], false)), false)
		best := items[0]
		for _, item := range items[1:] {
			if order(item, best) == want {
				best = item
			}
		}
		return best
	})
}

// slices is the filter slice, which deals items out to a number of lists.
func (s *state) slices(v Value, a []Value) Value {
	n := s.wantInt(a[0], "the number of slices")
	if n < 1 {
		failf("%d slices: choose 1 or more", n)
	}
	items := s.elements(v)
	s.take(64 * n)
	fill := given(a[1], nil)
	var all []Value
	at := 0
	for i := range n {
		size := len(items) / n
		short := i >= len(items)%n
		if !short {
			size++
		}
		part := s.appended(items[at:at+size], nil)
		if short && fill != nil {
			part = append(part, fill)
		}
		all = append(all, &list{items: part})
		at += size
	}
	return &generator{all}
}

// batches is the filter batch, which makes lists of a length.
func (s *state) batches(v Value, a []Value) Value {
	n := s.wantInt(a[0], "the size of a batch")
	if n < 1 {
		failf("batches of %d: choose 1 or more", n)
	}
	var all []Value
	for items := s.elements(v); len(items) > 0; {
		size := min(n, len(items))
		part := s.appended(items[:size], nil)
		items = items[size:]
		if fill := given(a[1], nil); fill != nil && size < n {
			s.take(16 * (n - size))
			for len(part) < n {
				part = append(part, fill)
			}
		}
		all = append(all, &list{items: part})
	}
	return &generator{all}
}

// mapFilter takes an attribute of all items, or applies a filter to them.
func (s *state) mapFilter(what string, v Value, a arguments) Value {
	var apply func(item Value) Value
	if len(a.positional) == 0 && len(a.names) > 0 {
		values := takes("attribute default?").bind(what, a)
		apply = s.getter(values[0], given(values[1], nil))
	} else {
		name, rest := s.named(a, what)
		apply = func(item Value) Value { return s.apply("filter", name, item, rest) }
	}
	items := s.some(v)
	s.take(24 + 16*len(items))
	mapped := make([]Value, len(items))
	for i, item := range items {
		s.step(1)
		mapped[i] = apply(item)
	}
	return &generator{mapped}
}

// some is elements for filters that take all that is false for nothing.
func (s *state) some(v Value) []Value {
	if !truth(v) {
		return nil
	}
	return s.elements(v)
}

// named takes the name of a filter or a test off arguments.
func (s *state) named(a arguments, what string) (string, arguments) {
	if len(a.positional) == 0 {
		failf("%s needs a name", what)
	}
	name := s.wantText(a.positional[0], "the name that "+what+" takes").s
	a.positional = a.positional[1:]
	return name, a
}

// selecting makes select and its like: of the items, or of an attribute of
// theirs, a test holds or does not hold.
func selecting(attribute, want bool) builtin {
	return func(s *state, _ string, v Value, a arguments) Value {
		get := func(item Value) Value { return item }
		if attribute {
			var name string
			name, a = s.named(a, "the filter")
			get = s.getter(own(name), nil)
		}
		holds := truth
		if len(a.positional) > 0 {
			name, rest := s.named(a, "the filter")
			holds = func(item Value) bool { return truth(s.apply("test", name, item, rest)) }
		}
		var items []Value
		for _, item := range s.some(v) {
			s.step(1)
			if holds(get(item)) == want {
				s.take(16)
				items = append(items, item)
			}
		}
		return &generator{items}
	}
}

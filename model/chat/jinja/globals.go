package jinja

import (
	"fmt"
	"strings"
	"time"
)

// now is the time for strftime_now.
var now = time.Now

var globals map[string]Value

func init() {
	globals = map[string]Value{
		"range":     builtinFunction("range", "start stop? step?", rangeOf),
		"dict":      &function{name: "dict", call: dictFunction},
		"namespace": &function{name: "namespace", call: func(s *state, a arguments) Value { return &namespace{dictFunction(s, a).(*Dict)} }},
		"cycler":    &function{name: "cycler", call: cycler},
		"joiner": builtinFunction("joiner", "sep?", func(s *state, a []Value) Value {
			used := false
			return &object{class: "Joiner", call: func(*state, arguments) Value {
				if !used {
					used = true
					return text{}
				}
				return given(a[0], own(", "))
			}}
		}),
		"raise_exception": builtinFunction("raise_exception", "message", func(s *state, a []Value) Value {
			panic(failure{fmt.Errorf("%w: %s", ErrRaised, strings.TrimSpace(s.str(a[0]).s))})
		}),
		"strftime_now": builtinFunction("strftime_now", "format", func(s *state, a []Value) Value {
			return own(strftime(now(), s.wantText(a[0], "the format of strftime_now").s))
		}),
	}
}

func builtinFunction(name, parameters string, call func(s *state, a []Value) Value) *function {
	sig := takes(parameters)
	return &function{name: name, call: func(s *state, a arguments) Value {
		s.step(1)
		return call(s, sig.bind(name, a))
	}}
}

func rangeOf(s *state, a []Value) Value {
	r := &numbers{step: 1}
	r.stop = int64(s.wantInt(a[0], "the bound of a range"))
	if stop := a[1]; stop != (missing{}) {
		r.start, r.stop = r.stop, int64(s.wantInt(stop, "the bound of a range"))
	}
	if step := a[2]; step != (missing{}) {
		r.step = int64(s.wantInt(step, "the step of a range"))
	}
	switch span := float64(r.stop) - float64(r.start); {
	case r.step == 0:
		failf("the step of a range is 0")
	case span/float64(r.step) > maxRange:
		failf("a range of more than %d numbers", maxRange)
	case (span > 0) == (r.step > 0) && span != 0:
		r.count = (r.stop - r.start) / r.step
		if (r.stop-r.start)%r.step != 0 {
			r.count++
		}
	}
	return r
}

// dictFunction is Python's dict(…): of a dictionary or of pairs, and of
// arguments with names.
func dictFunction(s *state, a arguments) Value {
	d := NewDict()
	if len(a.positional) > 1 {
		failf("dict takes at most 1 argument without a name, not %d", len(a.positional))
	}
	for _, v := range a.positional {
		if from, ok := v.(*Dict); ok {
			v = &view{"items", from}
		}
		for _, item := range s.elements(v) {
			pair := s.elements(item)
			if len(pair) != 2 {
				failf("dict takes pairs of a key and a value")
			}
			s.take(128)
			d.set(pair[0], pair[1])
		}
	}
	for i, name := range a.names {
		s.take(128)
		d.set(own(name), a.named[i])
	}
	return d
}

// cycler goes through its values again and again.
func cycler(s *state, a arguments) Value {
	if len(a.positional) == 0 {
		failf("cycler needs values to go through")
	}
	c := &object{class: "Cycler", attributes: map[string]Value{"current": a.positional[0]}}
	at := 0
	move := func(to int) {
		at = to % len(a.positional)
		c.attributes["current"] = a.positional[at]
	}
	c.attributes["next"] = builtinFunction("next", "", func(*state, []Value) Value {
		v := a.positional[at]
		move(at + 1)
		return v
	})
	c.attributes["reset"] = builtinFunction("reset", "", func(*state, []Value) Value {
		move(0)
		return nil
	})
	return c
}

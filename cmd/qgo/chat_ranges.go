package main

import (
	"errors"
	"fmt"
	"math"

	"qgo/model/sample"
)

// meaning says in a word what the number of a knob does that is no amount, ""
// of others.
func (k knob) meaning(p *sample.Params) string {
	switch k.name {
	case "temp":
		if p.Temperature == 0 {
			return "greedy"
		}
	case "top-k":
		if p.TopK == 0 {
			return "all"
		}
	case "top-p":
		if p.TopP == 0 || p.TopP == 1 {
			return "all"
		}
	case "repeat-penalty":
		if p.RepeatPenalty == 0 || p.RepeatPenalty == 1 {
			return "off"
		}
	case lastN:
		switch p.PenaltyWindow {
		case 0:
			return "all"
		case -1:
			return "none"
		}
	default:
		if *k.float(p) == 0 {
			return "off"
		}
	}
	return ""
}

// withMeaning puts what a value means behind it.
func withMeaning(value, meaning string) string {
	if meaning == "" {
		return value
	}
	return value + ", " + meaning
}

// explain says of a number that is out of its range which the range is, in the
// words of the command line: [sample.Params] has others.
func (k knob) explain(err error) error {
	var out *sample.RangeError
	if !errors.As(err, &out) {
		return err
	}
	want := out.Want
	if k.name == lastN {
		want = "at least -1 (-1: all tokens, 0: none)"
	}
	return fmt.Errorf("%s is %s: want %s", k.name, out.Value, want)
}

// check reports the first number of those given that is out of its range.
func (s *sampling) check() error {
	for _, k := range knobs {
		if !s.given[k.name] {
			continue
		}
		var alone sample.Params
		k.copy(&alone, &s.asked)
		if err := alone.Validate(math.MaxInt32); err != nil {
			return k.explain(err)
		}
	}
	return nil
}

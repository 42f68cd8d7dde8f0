package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/sample"
)

// knob is a parameter of sampling, with llama.cpp's name. One of the two
// functions says where its number is.
type knob struct {
	name, help string
	float      func(p *sample.Params) *float64
	whole      func(p *sample.Params) *int
}

const lastN = "repeat-last-n"

var knobs = []knob{
	{name: "temp", help: "temperature; 0 takes the most likely token (default: see /set in a chat; Qwen2.5: 0.7, Qwen3: 0.6)",
		float: func(p *sample.Params) *float64 { return &p.Temperature }},
	{name: "top-k", help: "choose among the k most likely tokens; 0: all (default: 20)",
		whole: func(p *sample.Params) *int { return &p.TopK }},
	{name: "top-p", help: "choose among the most likely tokens that reach this probability; 0: all (default of Qwen2.5: 0.8, of Qwen3: 0.95)",
		float: func(p *sample.Params) *float64 { return &p.TopP }},
	{name: "min-p", help: "leave out tokens less likely than this times the most likely; 0: none",
		float: func(p *sample.Params) *float64 { return &p.MinP }},
	{name: "repeat-penalty", help: "divide the logits of tokens that came before; 0: no penalty (default of Qwen2.5: 1.05 or 1.1)",
		float: func(p *sample.Params) *float64 { return &p.RepeatPenalty }},
	{name: "presence-penalty", help: "subtract this from the logits of tokens that came before",
		float: func(p *sample.Params) *float64 { return &p.PresencePenalty }},
	{name: "frequency-penalty", help: "subtract this for each time that a token came before",
		float: func(p *sample.Params) *float64 { return &p.FrequencyPenalty }},
	{name: lastN, help: "latest tokens that the three penalties look at; -1: all, 0: none (default -1)",
		whole: func(p *sample.Params) *int { return &p.PenaltyWindow }},
}

// get returns the number in p, as it is given on the command line.
func (k knob) get(p *sample.Params) string {
	if k.float != nil {
		return strconv.FormatFloat(*k.float(p), 'g', -1, 64)
	}
	n := *k.whole(p)
	if k.name == lastN {
		n = swapAllAndNone(n)
	}
	return strconv.Itoa(n)
}

// set changes the number in p.
func (k knob) set(p *sample.Params, text string) (err error) {
	if k.float != nil {
		*k.float(p), err = strconv.ParseFloat(text, 64)
		return err
	}
	n, err := strconv.Atoi(text)
	if k.name == lastN {
		n = swapAllAndNone(n)
	}
	*k.whole(p) = n
	return err
}

// copy takes the number of from over.
func (k knob) copy(p, from *sample.Params) {
	if k.float != nil {
		*k.float(p) = *k.float(from)
	} else {
		*k.whole(p) = *k.whole(from)
	}
}

// swapAllAndNone turns the numbers that llama.cpp has for all and for no tokens
// into those of [sample.Params], and back.
func swapAllAndNone(n int) int {
	switch n {
	case 0:
		return -1
	case -1:
		return 0
	}
	return n
}

// samplingText lists the parameters that change anything, as the command line has them.
func samplingText(p sample.Params) string {
	var all []string
	for _, k := range knobs {
		if text := k.get(&p); text != k.get(&sample.Params{}) {
			all = append(all, k.name+" "+text)
		}
	}
	return strings.Join(all, ", ")
}

// sampling is how a chat chooses tokens: as the user says, and as is recommended
// for the model where he says nothing.
type sampling struct {
	asked       sample.Params   // its numbers count if they were given
	given       map[string]bool // by the knob's name
	recommended model.Recommendation
}

// params are the parameters in force. A user who wants the most likely token
// wants nothing else to change the choice, unless he says that as well.
func (s *sampling) params() sample.Params {
	p := sample.Params{Seed: s.asked.Seed}
	recommended := s.recommended.Params
	if s.greedy() {
		recommended = sample.Params{}
	}
	for _, k := range knobs {
		from := &recommended
		if s.given[k.name] {
			from = &s.asked
		}
		k.copy(&p, from)
	}
	return p
}

func (s *sampling) greedy() bool { return s.given["temp"] && s.asked.Temperature == 0 }

// source says where the number of a knob comes from.
func (s *sampling) source(k knob) string {
	switch from := s.recommended.Sources[k.name]; {
	case s.given[k.name] || from == "":
		return ""
	case s.greedy():
		return "(off with temp 0)"
	default:
		return "(" + from + ")"
	}
}

// change sets one number, or goes back to what is recommended ("default"). A
// number that is out of its range changes nothing.
func (s *sampling) change(k knob, text string, vocab int) error {
	if text == "default" {
		delete(s.given, k.name)
		return nil
	}
	asked := s.asked
	if k.set(&asked, text) != nil {
		what := "number"
		if k.whole != nil {
			what = "whole number"
		}
		return fmt.Errorf("%s is no %s", show.Quoted(text), what)
	}
	if err := asked.Validate(vocab); err != nil {
		return err
	}
	s.asked, s.given[k.name] = asked, true
	return nil
}

// add adds a flag for every knob.
func (s *sampling) add(f *pflag.FlagSet) {
	s.given = map[string]bool{}
	for _, k := range knobs {
		f.Var(&knobFlag{s, k}, k.name, k.help)
	}
	f.Uint64Var(&s.asked.Seed, "seed", 0, "seed of the random choice (default: a new one each time)")
}

// knobFlag is a knob on the command line. It implements [pflag.Value].
type knobFlag struct {
	s *sampling
	k knob
}

func (f *knobFlag) Set(text string) error {
	if err := f.k.set(&f.s.asked, text); err != nil {
		return err
	}
	f.s.given[f.k.name] = true
	return nil
}

func (f *knobFlag) String() string {
	if f.s == nil || !f.s.given[f.k.name] {
		return ""
	}
	return f.k.get(&f.s.asked)
}

func (f *knobFlag) Type() string {
	if f.k.float != nil {
		return "float64"
	}
	return "int"
}

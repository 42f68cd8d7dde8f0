package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// Test is one thing to measure. With a Scenario it is a request with its
// text; otherwise it computes random tokens, as llama-bench does: a prompt, or
// tokens one by one, or first one and then the other.
type Test struct {
	Scenario string `json:"scenario,omitempty"`
	Prompt   int    `json:"n_prompt"` // tokens of the prompt
	Gen      int    `json:"n_gen"`    // tokens generated
	Depth    int    `json:"n_depth"`  // tokens in the KV cache before
}

// Tokens is the number of tokens computed.
func (t Test) Tokens() int { return t.Prompt + t.Gen }

// Context is the length of the text at the end.
func (t Test) Context() int { return t.Depth + t.Prompt + t.Gen }

// Name is the test's name as llama-bench prints it, such as "pp512 @ d2048",
// or the scenario's.
func (t Test) Name() string {
	if t.Scenario != "" {
		return t.Scenario
	}
	var name string
	switch {
	case t.Gen == 0:
		name = fmt.Sprintf("pp%d", t.Prompt)
	case t.Prompt == 0:
		name = fmt.Sprintf("tg%d", t.Gen)
	default:
		name = fmt.Sprintf("pp%d+tg%d", t.Prompt, t.Gen)
	}
	if t.Depth > 0 {
		name += fmt.Sprintf(" @ d%d", t.Depth)
	}
	return name
}

// ParseTest reads a test's name as Name has it, and as llama.cpp's forks have it
// that fill the KV cache by a prompt: "tg128@pp512".
func ParseTest(name string) (t Test, err error) {
	phases, depth, deep := strings.Cut(name, "@")
	wrong := fmt.Errorf("%s is no test: expected one such as pp512, tg128 or tg128 @ d2048", show.Quoted(name))
	if deep {
		depth = strings.TrimSpace(depth)
		if prompt, ok := strings.CutPrefix(depth, "pp"); ok {
			depth = "d" + prompt
		}
		if t.Depth, err = parseCount(depth, "d"); err != nil {
			return t, wrong
		}
	}
	phases = strings.TrimSpace(phases)
	for _, s := range Scenarios {
		if s.Scenario == phases && !deep {
			return s, nil
		}
	}
	prompt, gen, both := strings.Cut(phases, "+")
	if !both && strings.HasPrefix(prompt, "tg") {
		prompt, gen = "", prompt
	}
	if prompt != "" || both {
		if t.Prompt, err = parseCount(prompt, "pp"); err != nil {
			return t, wrong
		}
	}
	if gen != "" || both {
		if t.Gen, err = parseCount(gen, "tg"); err != nil {
			return t, wrong
		}
	}
	if t.Prompt+t.Gen == 0 {
		return t, wrong
	}
	return t, nil
}

// parseCount reads a number of tokens behind a prefix.
func parseCount(s, prefix string) (int, error) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > maxListable || digits[0] == '+' {
		return 0, errors.New("no number of tokens")
	}
	return n, nil
}

// Scenarios are the nine pairs of lengths of the published study of small
// language models on a Jetson Nano; see docs/roofline.md.
var Scenarios = []Test{
	{Scenario: "chat", Prompt: 128, Gen: 1024},
	{Scenario: "long-response", Prompt: 256, Gen: 2048},
	{Scenario: "balanced", Prompt: 512, Gen: 512},
	{Scenario: "generation-heavy", Prompt: 512, Gen: 4096},
	{Scenario: "completion", Prompt: 1024, Gen: 128},
	{Scenario: "standard-chat", Prompt: 1024, Gen: 1024},
	{Scenario: "rag-style", Prompt: 2048, Gen: 256},
	{Scenario: "long-context", Prompt: 2048, Gen: 2048},
	{Scenario: "context-heavy", Prompt: 4096, Gen: 512},
}

// ParseScenarios returns the scenarios of a list of names, or all of them.
func ParseScenarios(list string) ([]Test, error) {
	if list == "all" {
		return Scenarios, nil
	}
	var chosen []Test
	for name := range strings.SplitSeq(list, ",") {
		found := false
		var names []string
		for _, s := range Scenarios {
			names = append(names, s.Scenario)
			if strings.EqualFold(s.Scenario, strings.ReplaceAll(strings.TrimSpace(name), " ", "-")) {
				if found = true; !slices.Contains(chosen, s) {
					chosen = append(chosen, s)
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario %q; there are %s, and all", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// maxListable is the largest number in a list: sums of a few have room in an
// int of any machine.
const maxListable = 1 << 29

// maxListed bounds the length of a list, which a slip in a range could make
// very long.
const maxListed = 1000

// ParseInts reads a list of numbers and ranges as llama-bench has them:
// "1,2,4", "1-4" for each number, "0-2048+512" for steps and "128-1024*2" for
// multiples.
func ParseInts(list string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(list, ",") {
		ints, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if all = append(all, ints...); len(all) > maxListed {
			return nil, fmt.Errorf("%s lists more than %d numbers", show.Quoted(list), maxListed)
		}
	}
	return all, nil
}

func tooMuch(number string) error {
	return fmt.Errorf("%s is too much: choose at most %d", show.Text(number), maxListable)
}

func parseRange(s string) ([]int, error) {
	wrong := fmt.Errorf("%s is neither a number from 0 nor a range such as 1-4, 0-2048+512 or 128-1024*2", show.Quoted(s))
	first, rest, isRange := strings.Cut(s, "-")
	lo, err := strconv.Atoi(first)
	if err != nil && !errors.Is(err, strconv.ErrRange) || lo < 0 {
		return nil, wrong
	}
	if lo > maxListable {
		return nil, tooMuch(first)
	}
	if !isRange {
		return []int{lo}, nil
	}
	step, factor := 1, 1
	last, by, stepped := strings.Cut(rest, "+")
	times := false
	if !stepped {
		last, by, times = strings.Cut(rest, "*")
	}
	hi, err := strconv.Atoi(last)
	if err != nil && !errors.Is(err, strconv.ErrRange) || hi < lo {
		return nil, wrong
	}
	if hi > maxListable {
		return nil, tooMuch(last)
	}
	if stepped || times {
		n, err := strconv.Atoi(by)
		if err != nil || n < 1 || n > maxListable || times && (n < 2 || lo == 0) {
			return nil, wrong
		}
		if times {
			step, factor = 0, n
		} else {
			step = n
		}
	}
	var all []int
	for v := lo; v <= hi && len(all) <= maxListed; v = v*factor + step {
		all = append(all, v)
	}
	return all, nil
}

package speculate

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/model"
	"qgo/model/demo"
	"qgo/model/synth"
)

// load loads a model of so many tokens with random weights, or the demonstration
// model for 0.
func load(t *testing.T, tokens int, mix string) *model.Model {
	t.Helper()
	f, err := demo.Open()
	if tokens > 0 {
		spec, specErr := synth.ParseSpec("0.5b", mix)
		if specErr != nil {
			t.Fatal(specErr)
		}
		spec.Shape = synth.Shape{Name: "small", Width: 256, FFN: 512, Blocks: 1, Heads: 4, KV: 2}
		spec.Vocab = tokens
		f, err = synth.Build(spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Answer: 16}
	need, err := p.Context()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Context: need, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, whose string
		m           *model.Model
	}{{"demonstration", Own, load(t, 0, "")}, {"synthetic", Demo, load(t, 9000, "q4_0")}} {
		var r Report
		var steps []string
		p := Plan{Reps: 2, Answer: 16, Progress: func(s bench.Status) { steps = append(steps, s.Step) }}
		if err := p.Run(context.Background(), c.m, &r); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if r.Vocabulary != c.whose || r.Reps != 2 {
			t.Errorf("%s: %+v", c.name, r)
		}
		var names []string
		for _, k := range r.Kinds {
			names = append(names, k.Name)
			if len(k.Turns) != 2 || k.Incomplete || k.Prompt < 4 || k.Name != OwnText && k.Answer != 16 || !(k.TimesLeast > 0 && k.TimesLeast <= k.Times && k.Times <= k.TimesMost) {
				t.Errorf("%s: %+v", c.name, k)
			}
			for _, turn := range k.Turns {
				if turn.PlainNS <= 0 || turn.GuessedNS <= 0 || turn.Right > turn.Guessed {
					t.Errorf("%s, %s: %+v", c.name, k.Name, turn)
				}
			}
		}
		if !slices.Equal(names, []string{"edit", "quotes", "new code", "unrelated", OwnText}) || len(steps) != 5*3 || steps[1] != "edit: pair 1 of 2" {
			t.Errorf("%s: kinds %q, steps %q", c.name, names, steps)
		}
	}
}

// TestRunEnds keeps what was measured when the context ends, and marks what is not
// whole.
func TestRunEnds(t *testing.T) {
	m := load(t, 0, "")
	ctx, cancel := context.WithCancel(context.Background())
	var r Report
	p := Plan{Reps: 3, Answer: 4, Progress: func(s bench.Status) {
		if s.Step == "quotes: pair 3 of 3" {
			cancel()
		}
	}}
	err := p.Run(ctx, m, &r)
	if !errors.Is(err, context.Canceled) || len(r.Kinds) != 2 || r.Kinds[0].Incomplete || len(r.Kinds[0].Turns) != 3 || !r.Kinds[1].Incomplete || len(r.Kinds[1].Turns) != 2 || r.Kinds[1].Times <= 0 {
		t.Errorf("%v, %+v", err, r.Kinds)
	}
}

// TestLeft wants the prompts that have not been computed yet to count in what is left.
func TestLeft(t *testing.T) {
	var left time.Duration
	p := Plan{Reps: 2, Progress: func(s bench.Status) { left = s.Left }, kinds: 5, warm: spent{n: 1, time: 3 * time.Second}}
	if p.step("before the first pair"); left != 0 {
		t.Errorf("before the first pair %v are left", left)
	}
	p.pairs = spent{n: 2, time: time.Second}
	if p.step("after one kind"); left != 4*time.Second+4*3*time.Second {
		t.Errorf("after one kind of five %v are left, want 8 pairs and 4 prompts: 16s", left)
	}
}

// TestSum computes the figures of turns that are given.
func TestSum(t *testing.T) {
	k := Kind{Answer: 11, Turns: []Turn{{2e9, 1e9, 6, 3}, {3e9, 1e9, 4, 2}, {1e9, 1e9, 0, 0}}}
	k.sum(10)
	if k.Times != 2 || k.TimesLeast != 1 || k.TimesMost != 3 || k.PlainTS != 5 || k.GuessedTS != 10 || k.Right != 0.5 || math.Abs(k.OfTokens-5./33) > 1e-12 {
		t.Errorf("%+v", k)
	}
	k = Kind{Answer: 2, Turns: []Turn{{1, 1, 0, 0}}}
	if k.sum(1); k.Right != 0 || k.OfTokens != 0 || k.Times != 1 {
		t.Errorf("without guesses: %+v", k)
	}
}

// TestSame wants the place where texts part.
func TestSame(t *testing.T) {
	first := []int32{1, 2, 3}
	for _, c := range []struct {
		tokens []int32
		want   string
	}{{first, ""}, {[]int32{1, 9, 3}, "token 2 of"}, {first[:2], "token 3 of"}, {[]int32{1, 2, 3, 4}, "has 4 tokens, and had 3"}} {
		if err := same(first, c.tokens); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.tokens, err, c.want)
		}
	}
}

package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qgo/bench/roofline"
	"qgo/gguf/gguftest"
	"qgo/model"
	"qgo/model/demo"
)

// demoFile writes nothing: it is the demonstration model's file in the
// repository.
const demoFile = "../model/demo/godoc-tiny-q8_0.gguf"

func planOf(tests ...Test) *Plan {
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		panic(err)
	}
	return &Plan{
		Models: []string{demoFile}, Threads: []int{1}, Batches: []int{0}, Tests: tests, Reps: 2,
		Given: *nano, Ceiling: time.Millisecond,
	}
}

// TestRun measures the demonstration model and checks that what is stated
// follows from what was timed.
func TestRun(t *testing.T) {
	p := planOf(Test{Prompt: 40, Depth: 8}, Test{Gen: 12, Depth: 8}, Test{Scenario: "chat", Prompt: 64, Gen: 6})
	p.Load = true
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 3 || r.Interrupted || r.Harness == nil || len(r.Ceilings) != 1 || len(r.Series.Samples) == 0 {
		t.Fatalf("%+v", r)
	}
	for _, res := range r.Results {
		if len(res.Reps) != 2 || res.Measured == nil || res.Given == nil || res.OfMeasured <= 0 || res.Engine != "qgo" || res.Threads != 1 {
			t.Errorf("%s: %+v", res.Test().Name(), res)
		}
		if res.Load == nil || res.Load.WarmNS <= 0 {
			t.Errorf("load %+v", res.Load)
		}
		for i, rep := range res.Reps {
			if rate := float64(rep.Prompt+rep.Gen) / float64(rep.NS) * 1e9; math.Abs(rate-res.SamplesTS[i]) > 1e-9*rate {
				t.Errorf("%s: rate %v of %d+%d tokens in %d ns", res.Test().Name(), res.SamplesTS[i], rep.Prompt, rep.Gen, rep.NS)
			}
			if rep.Before <= 0 || rep.After <= 0 || rep.State == "" {
				t.Errorf("%s: not probed: %+v", res.Test().Name(), rep)
			}
			sum := rep.TTFT
			for _, g := range rep.Gaps {
				sum += g
			}
			if res.Gen > 0 && sum != rep.NS {
				t.Errorf("%s: first token and gaps take %d ns, all of it %d", res.Test().Name(), sum, rep.NS)
			}
		}
	}
	decode, chat := r.Results[1], r.Results[2]
	if got, want := decode.GBS*1e9/decode.MedianTS, roofline.DecodeMean(*decode.Cost, 12, 8).Bytes; math.Abs(got-want) > 1e-6*want {
		t.Errorf("decode reads %v bytes a token, want %v", got, want)
	}
	rep := chat.Reps[0]
	if rep.Prompt < 64 || rep.Prompt > 72 || rep.Gen != 6 || len(rep.Gaps) != 5 || chat.TTFT == nil || chat.ITL == nil || chat.TPOT == nil {
		t.Errorf("request %+v", rep)
	}
	if chat.ITL.P50 > chat.ITL.P90 || chat.ITL.P90 > chat.ITL.P99 || chat.TTLT.P50 < chat.TTFT.P50 {
		t.Errorf("latencies %+v %+v", chat.ITL, chat.TTFT)
	}
}

// breaker ends a context in a baseline's turn.
type breaker struct {
	at     int
	n      int
	cancel func()
	err    error
}

func (b *breaker) Name() string { return "breaker" }

func (b *breaker) Once(_ context.Context, r Request) (*Result, error) {
	if b.n++; b.n == b.at {
		b.cancel()
		if b.err != nil {
			return nil, b.err
		}
	}
	return &Result{Engine: "breaker", Prompt: r.Prompt, Gen: r.Gen, Threads: r.Threads, ModelFilename: r.Path, Reps: []Rep{{NS: 1e9, Prompt: r.Prompt, Gen: r.Gen}}}, nil
}

// TestInterrupted breaks a run off and expects to find what was done.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := planOf(Test{Gen: 4}, Test{Gen: 5}, Test{Gen: 6})
	p.Reps = 3
	p.Baselines = []Baseline{&breaker{at: 5, cancel: cancel}} // the second test's second repetition
	r, err := p.Run(ctx)
	if !errors.Is(err, context.Canceled) || !r.Interrupted {
		t.Fatalf("error %v, interrupted %v", err, r.Interrupted)
	}
	var got []string
	for _, res := range r.Results {
		name := res.Engine + " " + res.Test().Name()
		if res.Incomplete {
			name += " *"
		}
		got = append(got, name)
	}
	if want := "qgo tg4,breaker tg4,qgo tg5 *,breaker tg5"; strings.Join(got, ",") != want {
		t.Errorf("results %q, want %q", got, want)
	}
	if n := len(r.Results[2].Reps); n != 2 {
		t.Errorf("%d repetitions of the test that was broken off, want 2", n)
	}
}

// TestBaselineFails expects a warning, qgo's results, and an error if the baseline
// has none at all.
func TestBaselineFails(t *testing.T) {
	p := planOf(Test{Gen: 4})
	p.Baselines = []Baseline{&breaker{at: 1, cancel: func() {}, err: errors.New("out of order")}}
	r, err := p.Run(context.Background())
	if len(r.Results) != 1 || len(r.Results[0].Reps) != 2 {
		t.Fatalf("%v, %+v", err, r.Results)
	}
	if err == nil || err.Error() != "breaker gave no result: out of order" {
		t.Errorf("error %v", err)
	}
	if w := strings.Join(r.Warnings, "\n"); strings.Count(w, "out of order") != 1 {
		t.Errorf("warnings %q", w)
	}

	p = planOf(Test{Gen: 4}, Test{Gen: 5})
	p.Baselines = []Baseline{&breaker{at: 3, cancel: func() {}, err: errors.New("out of order")}}
	if r, err = p.Run(context.Background()); err != nil || len(r.Results) != 3 || len(r.Warnings) == 0 {
		t.Errorf("of a baseline that fails in the second of two tests: %v, %d results, warnings %q", err, len(r.Results), r.Warnings)
	}
}

// TestBeyondTraining expects a warning about a model whose training the tests
// go beyond, and one only.
func TestBeyondTraining(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	p := planOf(Test{Gen: 4, Depth: 32}, Test{Gen: 4})
	p.Models = []string{gguftest.Write(t, f, gguftest.Set("qwen2.context_length", uint32(16)))}
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if w := strings.Join(r.Warnings, "\n"); strings.Count(w, "a context of 36 tokens is more than the 16 that this model was trained for") != 1 {
		t.Errorf("warnings %q", w)
	}
}

// countdown is a context that ends after being asked a number of times. The
// engine asks before every block, so this does not depend on its speed.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int32
}

func (c *countdown) Err() error {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// TestPartial breaks decode off within a repetition.
func TestPartial(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cancelled, cancel := context.WithCancel(context.Background())
	ctx := &countdown{Context: cancelled, cancel: cancel}
	r := &Runner{Model: m, Reps: 1, Progress: func(step string) {
		if strings.Contains(step, "repetition") {
			ctx.left.Store(100) // several tokens' blocks
		}
	}}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res, err := r.Run(ctx, Test{Gen: 4000})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if res == nil || !res.Incomplete || !res.Reps[0].Partial || res.Reps[0].Gen < 2 || res.Reps[0].Gen >= 4000 {
		t.Errorf("%+v", res)
	}
}

func TestRunFails(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF?"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := planOf(Test{Gen: 4})
	p.Models = []string{demoFile, bad}
	r, err := p.Run(context.Background())
	if err == nil || len(r.Results) != 0 || len(r.Ceilings) != 0 || r.Interrupted {
		t.Errorf("error %v, %d results: expected none, for the second file is seen first to be bad", err, len(r.Results))
	}
	p = planOf(Scenarios[8])
	p.Options.Context = 100
	if _, err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "4608") {
		t.Errorf("a scenario longer than --ctx: %v", err)
	}
}

// TestPromptText checks lengths with a count that is not that of words.
func TestPromptText(t *testing.T) {
	count := func(text string) (int, error) { return 5 + len(text)/3, nil }
	for _, n := range []int{1, 6, 100, 4096} {
		text, err := promptText(n, count)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := count(text)
		fewer := text
		if i := strings.LastIndexByte(text, ' '); i > 0 {
			fewer = text[:i]
		}
		if less, _ := count(fewer); got < n || fewer != text && less >= n {
			t.Errorf("%d tokens for %d", got, n)
		}
	}
}

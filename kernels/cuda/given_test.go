package cuda

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// chosen computes the largest logits of a sequence token by token, or, if there is memory for all of them that the
// GPU knows, all.
type chosen struct {
	t   *testing.T
	s   *Stage
	all []float32
}

// chosenOf makes memory for all, if they are wanted.
func chosenOf(t *testing.T, s *Stage, all bool) chosen {
	c := chosen{t: t, s: s}
	if all {
		c.all = make([]float32, ownPages/4)
		if s.Pin(c.all); s.reach(c.all) == 0 {
			t.Fatal("the GPU does not know memory for logits")
		}
	}
	return c
}

// launches is how many a token takes.
func (c chosen) launches() int64 {
	if c.all != nil {
		return 3
	}
	return 5
}

// tops returns the largest of these tokens, followed by all if those are wanted, and the launches of each.
func (c chosen) tops(kv plan.KV, pos int, tokens []int32, next ...bool) (tops [][]plan.Logit, started []int64) {
	c.t.Helper()
	for i, n := range next {
		b := &plan.Batch{
			Spans: []plan.Span{{KV: kv, Pos: pos + i, N: 1}}, Tokens: tokens[i : i+1], Outputs: []int{0},
			Logits: make([]float32, c.s.Vocab), Top: make([]plan.Logit, plan.TopLen), Next: n,
		}
		top := b.Top
		if c.all != nil {
			b.Logits, b.Top = c.all[:c.s.Vocab], nil
		}
		before := c.s.dev.Launches()
		if err := c.s.Run(context.Background(), b); err != nil {
			c.t.Fatal(err)
		}
		started = append(started, c.s.dev.Launches()-before)
		if c.all != nil {
			plan.Top(top, b.Logits)
			for token, v := range b.Logits {
				top = append(top, plan.Logit{Token: int32(token), Value: v})
			}
			clear(b.Logits)
		}
		tops = append(tops, top)
	}
	return tops, started
}

func (c chosen) kv(ctx int) plan.KV {
	c.t.Helper()
	kv, err := c.s.NewKV(ctx, quant.F16)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { kv.Close() })
	return kv
}

func (c chosen) check(what string, got, want [][]plan.Logit, started []int64, wantStarted ...int64) {
	c.t.Helper()
	if !slices.EqualFunc(got, want, slices.Equal) {
		c.t.Errorf("%s: largest logits\n%v\nwant\n%v", what, firsts(got), firsts(want))
	}
	if wantStarted != nil && !slices.Equal(started, wantStarted) {
		c.t.Errorf("%s: %d launches, want %d", what, started, wantStarted)
	}
}

// firsts are the first few of each of the largest logits.
func firsts(tops [][]plan.Logit) (all [][]plan.Logit) {
	for _, t := range tops {
		all = append(all, t[:3])
	}
	return all
}

// TestGiven computes logits, or the largest, of tokens whose launches wait for them, and of what may come instead:
// not a bit may differ, and no pass may be computed twice. The layers are an odd number: those of a pass that
// is skipped must not count.
func TestGiven(t *testing.T) {
	t.Run("largest", func(t *testing.T) { testGiven(t, false) })
	t.Run("all", func(t *testing.T) { testGiven(t, true) })
}

func testGiven(t *testing.T, all bool) {
	const long = 1 << 20
	p := shape(t, 64, 2, quant.Q4_0)
	p.Blocks = slices.Concat(p.Blocks, p.Blocks, p.Blocks)[:3]
	dev := tokenGPUOf(t, emulator.Options{SMs: 4, Capability: tensorCapability, Late: true})
	s := tokenStageFor(t, dev, p, plan.Options{MaxRows: 64, MaxCtx: 40})
	if !s.streams(1) {
		t.Fatal("the head of this plan is not for one row")
	}
	s.token.patience = long
	c, other := chosenOf(t, s, all), chosenOf(t, s, all)
	launches := c.launches()
	a, b := c.kv(40), c.kv(40)
	texts := [][]int32{{1, 5, 9, 2, 7, 3, 8, 4, 6}, {2, 6, 1, 4, 3, 9, 5, 8, 7}}
	no, yes := make([]bool, 9), slices.Repeat([]bool{true}, 9)
	ofA, started := c.tops(a, 0, texts[0], no...)
	c.check("one by one", ofA, ofA, started, slices.Repeat([]int64{launches}, len(no))...)
	ofB, _ := c.tops(b, 0, texts[1], no...)
	if slices.EqualFunc(ofA, ofB, slices.Equal) || slices.Equal(ofA[3], ofA[4]) {
		t.Fatal("the texts would not tell one from the other")
	}
	want := logitsOfRows(t, s, []plan.Span{{KV: a, Pos: 8, N: 1}}, texts[0][8:])
	top := make([]plan.Logit, plan.TopLen)
	if plan.Top(top, want); !slices.Equal(ofA[8][:plan.TopLen], top) {
		t.Errorf("the largest logits are %v, want %v", ofA[8][:3], top[:3])
	}

	got, started := c.tops(a, 0, texts[0], true, true, true, false)
	c.check("ahead", got, ofA[:4], started, launches, 2*launches, launches, 0)
	got, started = c.tops(a, 4, texts[0][4:], true, true, true)
	c.check("going on", got, ofA[4:7], started, 2*launches, launches, launches)
	got, started = c.tops(b, 0, texts[1], true, true)
	c.check("another sequence", got, ofB[:2], started, launches, 2*launches)
	got, started = c.tops(b, 1, texts[1][1:], true, true)
	c.check("an earlier position", got, ofB[1:3], started, launches, 2*launches)
	best := &plan.Batch{
		Spans: []plan.Span{{KV: b, Pos: 3, N: 1}}, Tokens: texts[1][3:4], Outputs: []int{0},
		Logits: make([]float32, p.Vocab), Best: make([]int32, 1), Next: true,
	}
	if err := s.Run(context.Background(), best); err != nil {
		t.Fatal(err)
	}
	if best.Best[0] != ofB[3][0].Token {
		t.Errorf("a greedy token of that pass is %d, want %d", best.Best[0], ofB[3][0].Token)
	}
	got, started = c.tops(b, 4, texts[1][4:], true, true)
	c.check("after a greedy token", got, ofB[4:6], started, launches, 2*launches)
	if got := logitsOfRows(t, s, []plan.Span{{KV: a, Pos: 8, N: 1}}, texts[0][8:]); !slices.Equal(got, want) {
		t.Error("another sequence has other logits while a pass waits")
	}
	rows := logitsOfRows(t, s, []plan.Span{{KV: b, Pos: 5, N: 1}, {KV: a, Pos: 8, N: 1}}, []int32{texts[1][5], texts[0][8]})
	if !slices.Equal(rows[p.Vocab:], want) {
		t.Error("rows of two sequences have other logits after a pass that was skipped")
	}

	s.Profile(true)
	got, _ = c.tops(a, 0, texts[0], true, true)
	c.check("with a profile", got, ofA[:2], nil)
	s.Profile(false)
	got, started = c.tops(a, 0, texts[0], yes...)
	c.check("and without", got, ofA, started, slices.Concat([]int64{launches, 2 * launches}, slices.Repeat([]int64{launches}, 7))...)

	// Where there is no more room nothing is started.
	got, started = c.tops(c.kv(3), 0, texts[0], yes[:3]...)
	c.check("to the end", got, ofA[:3], started, launches, 2*launches, 0)

	// Nor does a pass that waits go on with what comes to the place of its keys and values.
	c.tops(b, 0, texts[1], no...)
	var file bytes.Buffer
	if err := b.Save(&file, 4); err != nil {
		t.Fatal(err)
	}
	c.tops(a, 0, texts[0], yes[:4]...)
	if err := a.Load(&file, 4); err != nil {
		t.Fatal(err)
	}
	got, started = c.tops(a, 4, texts[1][4:], yes[:2]...)
	c.check("with keys and values of a file", got, ofB[4:6], started, launches, 2*launches)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ = c.tops(b, 0, texts[1], yes...)
	c.check("after the end of a sequence whose pass waits", got, ofB, nil)

	// Tokens may come late, or come while the launches give up.
	for _, patience := range []int32{0, 3, 100} {
		s.token.patience = patience
		got, _ = c.tops(b, 0, texts[1], yes...)
		c.check("with less patience", got, ofB, nil)
	}
	s.token.patience = long
	got, _ = c.tops(b, 0, texts[1], yes...)
	c.check("and with more", got, ofB, nil)
	if !all {
		return
	}

	// A pass that waits writes logits to a place of its own: it must not if others are wanted, nor if the
	// GPU is to know the place no longer.
	a = c.kv(40)
	c.tops(a, 0, texts[0], yes[:3]...)
	got, started = other.tops(a, 3, texts[0][3:], yes[:2]...)
	c.check("at another place", got, ofA[3:5], started, launches, 2*launches)
	if i := slices.IndexFunc(c.all, func(v float32) bool { return v != 0 }); i >= 0 {
		t.Errorf("logits at the place before: number %d", i)
	}
	if err := s.dev.do(func() error { return s.leave(addressOf(&other.all[0])) }); err != nil {
		t.Fatal(err)
	}
	got, started = c.tops(a, 5, texts[0][5:], yes[:2]...)
	c.check("after another place", got, ofA[5:7], started, launches, 2*launches)
}

// TestGivenLate has launches run to their end at once: no token comes while they wait.
func TestGivenLate(t *testing.T) {
	if *realGPU >= 0 {
		t.Skip("a GPU runs launches while the program goes on")
	}
	p := shape(t, 64, 2, quant.Q4_0)
	s := tokenStageFor(t, tokenGPU(t, tensorCapability, 4), p, plan.Options{MaxRows: 64, MaxCtx: 40})
	for _, all := range []bool{false, true} {
		c := chosenOf(t, s, all)
		kv, launches := c.kv(40), c.launches()
		text := []int32{1, 5, 9, 2, 7, 3}
		want, _ := c.tops(kv, 0, text, make([]bool, 6)...)
		got, started := c.tops(kv, 0, text, slices.Repeat([]bool{true}, 6)...)
		c.check("late", got, want, started, launches, 2*launches, launches, 2*launches, launches, 2*launches)
	}
}

package cuda

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"qgo/kernels/plan"
	"qgo/quant"
)

// TestAhead computes greedy tokens whose passes start before they are asked for, and what may
// come instead of them: not a token may be another, and no pass may be computed twice.
func TestAhead(t *testing.T) {
	const launches = 3 // of a token, but for its embedding
	const first = launches + 1
	p := shape(t, 64, 2, quant.Q4_0)
	dev := tokenGPU(t, tensorCapability, 4)
	s := tokenStageFor(t, dev, p, plan.Options{MaxRows: 64, MaxCtx: 40})
	if !s.streams(1) {
		t.Fatal("the head of this plan is not for one row")
	}
	// greedy computes tokens of a sequence from one on, and returns them and the launches of each.
	greedy := func(kv plan.KV, pos int, token int32, next ...bool) (tokens []int32, started []int64) {
		for i, n := range next {
			b := &plan.Batch{
				Spans: []plan.Span{{KV: kv, Pos: pos + i, N: 1}}, Tokens: []int32{token}, Outputs: []int{0},
				Logits: make([]float32, p.Vocab), Best: make([]int32, 1), Next: n,
			}
			before := dev.Launches()
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			token = b.Best[0]
			tokens, started = append(tokens, token), append(started, dev.Launches()-before)
		}
		return tokens, started
	}
	kvOf := func(ctx int) plan.KV {
		kv, err := s.NewKV(ctx, quant.F16)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { kv.Close() })
		return kv
	}
	check := func(what string, got, want []int32, started []int64, wantStarted ...int64) {
		t.Helper()
		if !slices.Equal(got, want) || !slices.Equal(started, wantStarted) {
			t.Errorf("%s: tokens %d with %d launches, want %d with %d", what, got, started, want, wantStarted)
		}
	}
	no := make([]bool, 9)
	a, b := kvOf(40), kvOf(40)
	exchanges := dev.Exchanges()
	ofA, started := greedy(a, 0, 1, no...)
	if n, want := dev.Exchanges()-exchanges, int64(len(no)*5*len(p.Blocks)); n != want {
		t.Errorf("%d vectors exchanged by %d tokens, want five in each layer, %d", n, len(no), want)
	}
	check("one by one", ofA, ofA, started, slices.Repeat([]int64{first}, len(no))...)
	ofB, _ := greedy(b, 0, 2, no...)
	if slices.Equal(ofA, ofB) || len(slices.Compact(slices.Clone(ofA))) < 3 {
		t.Fatalf("the texts %d and %d would not tell one from the other", ofA, ofB)
	}

	got, started := greedy(a, 0, 1, true, true, true, false)
	check("ahead", got, ofA[:4], started, first, first+launches, launches, 0)
	got, started = greedy(a, 4, ofA[3], true, true, true)
	check("going on", got, ofA[4:7], started, first+launches, launches, launches)
	got, started = greedy(b, 0, 2, true, true)
	check("another sequence", got, ofB[:2], started, first, first+launches)
	got, started = greedy(b, 1, ofB[0], true)
	check("an earlier position", got, ofB[1:2], started, first)
	got, started = greedy(b, 2, ofA[5], true)
	check("another token", got, got, started, first)
	got, started = greedy(b, 2, ofB[1], true, true, false)
	check("and its own again", got, ofB[2:5], started, first, first+launches, 0)

	got, _ = greedy(a, 0, 1, true, true)
	want := logitsOfRows(t, s, []plan.Span{{KV: b, Pos: 4, N: 1}}, ofB[3:4])
	rows := logitsOfRows(t, s, []plan.Span{{KV: a, Pos: 2, N: 1}, {KV: b, Pos: 4, N: 1}}, []int32{got[1], ofB[3]})
	if plan.Largest(rows[:p.Vocab]) != ofA[2] || !slices.Equal(rows[p.Vocab:], want) {
		t.Error("rows of two sequences have other logits after a pass that was not asked for")
	}

	// Where there is no more room nothing is started: neither behind a sequence, nor behind the
	// positions that the stage has.
	for _, ctx := range []int{4, 40} {
		kv := kvOf(ctx)
		before, _ := greedy(kv, 0, 1, make([]bool, ctx)...)
		got, started := greedy(kv, ctx-3, before[ctx-4], true, true, true)
		check("to the end", got, before[ctx-3:], started, first, first+launches, 0)
	}

	s.Profile(true)
	got, started = greedy(a, 3, ofA[2], true, true)
	check("with a profile", got, ofA[3:5], started, started[0], started[0])
	if times := s.OpTimes(); times[plan.OpHead] <= 0 {
		t.Errorf("a profile of %v", times)
	}
	s.Profile(false)
	got, started = greedy(a, 5, ofA[4], true, true)
	check("and without", got, ofA[5:7], started, first, first+launches)

	// What is started for a sequence is not for another's keys and values that come to its place.
	var file bytes.Buffer
	greedy(b, 0, 2, no[:4]...)
	if err := b.Save(&file, 4); err != nil {
		t.Fatal(err)
	}
	got, _ = greedy(a, 0, 1, true, true, true, true)
	if err := a.Load(&file, 4); err != nil {
		t.Fatal(err)
	}
	ofFile, _ := greedy(b, 4, got[3], false)
	got, started = greedy(a, 4, got[3], false)
	check("with keys and values of a file", got, ofFile, started, first)
}

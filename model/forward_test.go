package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/model/synth"
)

// text returns n tokens of the known answers, repeated if need be.
func text(t testing.TB, n int) []int32 {
	ids := readGolden(t).SeqIDs
	for len(ids) < n {
		ids = append(ids, ids...)
	}
	return ids[:n]
}

func newKV(t testing.TB, m *Model, ctx int) *KV {
	t.Helper()
	kv, err := m.NewKV(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kv.Close() })
	return kv
}

// TestThreads demands the same bits from any number of workers, in prefill
// over more than one chunk of attention and in decode.
func TestThreads(t *testing.T) {
	crowds = true
	defer func() { crowds = false }()
	ids := text(t, 290)
	var want []float32
	for _, threads := range []int{1, 2, 3, 5} {
		m := tiny(t, Options{Threads: threads, Context: 300})
		kv := newKV(t, m, 300)
		seq := []Seq{{KV: kv, Tokens: ids, Want: WantLast, Greedy: 5}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		if threads == 1 {
			want = slices.Clone(seq[0].Logits)
		}
		for i, v := range seq[0].Logits {
			if v != want[i] {
				t.Fatalf("%d threads: logit %d is %v, with one thread %v", threads, i, v, want[i])
			}
		}
	}
}

func TestNoMoreThreadsThanCPUs(t *testing.T) {
	said := ""
	cpus := kernels.CPUs()
	m := tiny(t, Options{Threads: 4 * cpus, Context: 64, Notify: func(text string) { said += text }})
	want := fmt.Sprintf("%d threads would share %d CPUs, and wait for each other. Using %d.", 4*cpus, cpus, cpus)
	if m.Threads() != cpus || said != want {
		t.Errorf("%d threads on %d CPUs: %d work, and it says %q, want %q", 4*cpus, cpus, m.Threads(), said, want)
	}
}

// TestChunks computes a text in batches of several sizes.
func TestChunks(t *testing.T) {
	ids := text(t, 290)
	var want []float32
	var continuation []int32
	for _, rows := range []int{512, 32, 7, 1} {
		m := tiny(t, Options{MaxRows: rows, Context: 512})
		got := slices.Clone(logits(t, m, ids, WantAll))
		seq := []Seq{{KV: newKV(t, m, 400), Tokens: ids, Greedy: 32}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		if rows == 512 {
			want, continuation = got, seq[0].Out
			continue
		}
		if kl, _ := divergence(t, got, want, m.Vocab); !(kl < 1e-6) {
			t.Errorf("batches of %d: mean KL to batches of 512 is %.2g", rows, kl)
		}
		if !slices.Equal(seq[0].Out, continuation) {
			t.Errorf("batches of %d: %v, in batches of 512 %v", rows, seq[0].Out, continuation)
		}
	}
}

// TestSequences computes three sequences of different lengths and wants in
// one call, and each alone: the same bits.
func TestSequences(t *testing.T) {
	ids := text(t, 120)
	m := tiny(t, Options{Context: 256, MaxRows: 64})
	make := func(i int) Seq {
		return []Seq{
			{KV: newKV(t, m, 256), Tokens: ids[:90], Want: WantAll},
			{KV: newKV(t, m, 128), Tokens: ids[3:40], Want: WantLast, Greedy: 6},
			{KV: newKV(t, m, 60), Tokens: ids[50:110]},
		}[i]
	}
	together := []Seq{make(0), make(1), make(2)}
	if err := m.Forward(context.Background(), together); err != nil {
		t.Fatal(err)
	}
	for i := range together {
		alone := []Seq{make(i)}
		if err := m.Forward(context.Background(), alone); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone[0].Logits, together[i].Logits) || !slices.Equal(alone[0].Out, together[i].Out) {
			t.Errorf("sequence %d differs from the same alone", i)
		}
		if alone[0].KV.Len() != together[i].KV.Len() {
			t.Errorf("sequence %d has %d positions, alone %d", i, together[i].KV.Len(), alone[0].KV.Len())
		}
	}
}

// TestTruncate takes tokens back and computes others in their place: few at a
// time, and many, which a tier may compute in another way.
func TestTruncate(t *testing.T) {
	ids := text(t, 80)
	m := tiny(t, Options{Context: 64})
	for _, c := range []struct{ kept, other, rest int }{{20, 8, 10}, {4, 28, plan.Many}} {
		want := slices.Clone(logits(t, m, ids[:c.kept+c.rest], WantLast))
		kv := newKV(t, m, 64)
		first := append(slices.Clone(ids[:c.kept]), ids[len(ids)-c.other:]...)
		for _, tokens := range [][]int32{first, ids[c.kept : c.kept+c.rest]} {
			kv.Truncate(min(kv.Len(), c.kept))
			seq := []Seq{{KV: kv, Tokens: tokens, Want: WantLast}}
			if err := m.Forward(context.Background(), seq); err != nil {
				t.Fatal(err)
			}
			if kv.Len() == c.kept+c.rest && !slices.Equal(seq[0].Logits, want) {
				t.Errorf("%d tokens kept of %d: logits after truncation differ", c.kept, len(first))
			}
		}
	}
}

// TestForwardAllocatesNothing per token, in decode and in prefill.
func TestForwardAllocatesNothing(t *testing.T) {
	allocatesNothing(t, tiny(t, Options{Context: 256, MaxRows: 32}), text(t, 32))
}

// allocatesNothing checks that Forward allocates nothing for one of the ids and for
// all of them.
func allocatesNothing(t *testing.T, m *Model, ids []int32) {
	t.Helper()
	kv := newKV(t, m, 2*len(ids))
	seq := []Seq{{KV: kv, Want: WantLast}}
	for _, n := range []int{1, len(ids)} {
		seq[0].Tokens = ids[:n]
		step := func() {
			kv.Truncate(0)
			if err := m.Forward(context.Background(), seq); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if allocs := allocations(20, step); allocs != 0 {
			t.Errorf("%d tokens: %v allocations, want none", n, allocs)
		}
	}
}

// allocations is testing.AllocsPerRun without its GOMAXPROCS of 1, with which
// workers would wait for each other's time slices. It is the least of the runs: Go's
// runtime may allocate when a worker goes to sleep.
func allocations(runs int, f func()) uint64 {
	var before, after runtime.MemStats
	least := uint64(math.MaxUint64)
	for range runs {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return least
}

func TestForwardErrors(t *testing.T) {
	m := tiny(t, Options{Context: 32, MaxRows: 8})
	other := tiny(t, Options{Context: 32})
	kv := newKV(t, m, 16)
	ids := text(t, 20)
	seq := []Seq{{KV: kv, Tokens: ids[:4]}}
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		seqs []Seq
	}{
		"no room":          {context.Background(), []Seq{{KV: kv, Tokens: ids[:13]}}},
		"no room to go on": {context.Background(), []Seq{{KV: kv, Tokens: ids[:10], Greedy: 4}}},
		"another model":    {context.Background(), []Seq{{KV: newKV(t, other, 16), Tokens: ids[:2]}}},
		"one KV twice":     {context.Background(), []Seq{{KV: kv, Tokens: ids[:2]}, {KV: kv, Tokens: ids[:2]}}},
		"no tokens":        {context.Background(), []Seq{{KV: kv}}},
		"bad token":        {context.Background(), []Seq{{KV: kv, Tokens: []int32{int32(m.Vocab)}}}},
		"greedy and all":   {context.Background(), []Seq{{KV: kv, Tokens: ids[:2], Greedy: 1, Want: WantAll}}},
		"cancelled":        {ended, []Seq{{KV: kv, Tokens: ids[:12]}}},
	} {
		err := m.Forward(c.ctx, c.seqs)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if kv.Len() != 4 {
			t.Fatalf("%s: %d positions are cached afterwards, want 4", name, kv.Len())
		}
		var full *ContextError
		if wantFull := name == "no room" || name == "no room to go on"; errors.As(err, &full) != wantFull {
			t.Errorf("%s: error %v", name, err)
		}
		if name == "cancelled" && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: error %v", err)
		}
	}
}

// TestRopeScaling checks frequencies against values computed by hand from the
// papers' formulas, for heads of 8 values and base 10000.
func TestRopeScaling(t *testing.T) {
	plain := newRope(8, 10000, RopeScaling{Type: "none", Factor: 1})
	for i, want := range []float64{1, 0.1, 0.01, 0.001} {
		if math.Abs(plain.InvFreq[i]-want) > 1e-15 {
			t.Errorf("frequency %d is %v, want %v", i, plain.InvFreq[i], want)
		}
	}
	linear := newRope(8, 10000, RopeScaling{Type: "linear", Factor: 4})
	for i, f := range plain.InvFreq {
		if linear.InvFreq[i] != f/4 || linear.Scale != 1 {
			t.Errorf("linear: frequency %d is %v, want %v", i, linear.InvFreq[i], f/4)
		}
	}
	// Over 32768 positions the pairs turn 5215, 521, 52 and 5.2 times: ramp
	// from pair floor(2.21) to pair ceil(3.72), so half-way at pair 3.
	yarn := newRope(8, 10000, RopeScaling{Type: "yarn", Factor: 4, Original: 32768, AttnFactor: 1})
	for i, want := range []float64{1, 0.1, 0.01, 0.001 * (0.5 + 0.5/4)} {
		if math.Abs(yarn.InvFreq[i]-want) > 1e-12 {
			t.Errorf("yarn: frequency %d is %v, want %v", i, yarn.InvFreq[i], want)
		}
	}
	if want := 1 + 0.1*math.Log(4); yarn.Scale != want {
		t.Errorf("yarn: scale %v, want %v", yarn.Scale, want)
	}
}

// TestSyntheticDivergence reports how default arithmetic compares with exact
// arithmetic on random models of the published shapes.
func TestSyntheticDivergence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	spec, err := synth.ParseSpec("0.5b", "q4_0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := synth.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	var got [2][]float32
	var vocab int
	for i, o := range []Options{{Context: 64}, {Context: 64, Exact: true}} {
		m, err := Load(context.Background(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]int32, 24)
		for j := range ids {
			ids[j] = int32((j*7919 + 11) % 150000)
		}
		got[i], vocab = slices.Clone(logits(t, m, ids, WantAll)), m.Vocab
	}
	kl, top := divergence(t, got[0], got[1], vocab)
	t.Logf("mean KL %.3g, top-1 %.1f %%", kl, 100*top)
	if !(kl < 0.05) {
		t.Errorf("mean KL %.3g, want less than 0.05", kl)
	}
}

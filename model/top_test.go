package model

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"qgo/kernels/plan"
	"qgo/model/sample"
)

// onEach runs a test with the small model on the CPU and on a GPU.
func onEach(t *testing.T, test func(t *testing.T, m *Model)) {
	t.Run("CPU", func(t *testing.T) { test(t, tiny(t, Options{Context: 256})) })
	t.Run("GPU", func(t *testing.T) {
		test(t, tiny(t, Options{Context: 256, Device: anyGPU(t), GPULayers: AllLayers}))
	})
}

// TestWantTop compares the largest logits with those of all, whatever other sequences of the
// same call want.
func TestWantTop(t *testing.T) {
	beside(t)
	onEach(t, func(t *testing.T, m *Model) {
		ids := text(t, 60)
		want := make([]plan.Logit, plan.TopLen)
		plan.Top(want, logits(t, m, ids[:9], WantLast))
		greedy := []Seq{{KV: newKV(t, m, 64), Tokens: ids[20:30], Greedy: 2}}
		if err := m.Forward(context.Background(), greedy); err != nil {
			t.Fatal(err)
		}
		for _, others := range [][]Seq{
			nil,
			{{Tokens: ids[20:30], Greedy: 2}},
			{{Tokens: ids[20:30], Greedy: 2}, {Tokens: ids[30:33]}, {Tokens: ids[:9], Want: WantTop}},
			{{Tokens: ids[20:30], Greedy: 2}, {Tokens: ids[30:33], Want: WantAll}},
		} {
			seqs := append(slices.Clone(others), Seq{Tokens: ids[:9], Want: WantTop})
			for i := range seqs {
				seqs[i].KV = newKV(t, m, 64)
			}
			if err := m.Forward(context.Background(), seqs); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(seqs[len(seqs)-1].Top, want) {
				t.Errorf("beside %d others the largest logits are other ones", len(others))
			}
			if len(others) > 0 && !slices.Equal(seqs[0].Out, greedy[0].Out) {
				t.Errorf("beside %d others greedy tokens are %d, alone %d", len(others), seqs[0].Out, greedy[0].Out)
			}
		}
	})
}

// TestWantTops compares the largest logits of every token with those of all, in one batch and in
// several.
func TestWantTops(t *testing.T) {
	beside(t)
	onEach(t, func(t *testing.T, m *Model) {
		m.maxRows = 5
		ids := text(t, 9)
		all := logits(t, m, ids, WantAll)
		want := make([]plan.Logit, len(ids)*plan.TopLen)
		for i := range ids {
			plan.Top(want[i*plan.TopLen:][:plan.TopLen], all[i*m.Vocab:][:m.Vocab])
		}
		seqs := []Seq{{KV: newKV(t, m, 64), Tokens: ids, Want: WantTops}, {KV: newKV(t, m, 64), Tokens: ids[:3], Want: WantLast}}
		for n := 1; n <= len(seqs); n++ { // alone, and beside a sequence that wants logits
			if err := m.Forward(context.Background(), seqs[:n]); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(seqs[0].Top, want) {
				t.Errorf("of %d sequences: the largest logits are other ones", n)
			}
			seqs[0].KV.Truncate(0)
		}
	})
}

// TestSampledText compares texts with what a sampler chooses of all logits, where the largest
// are enough, where strong penalties make them too few at times, and where all are wanted.
func TestSampledText(t *testing.T) {
	beside(t)
	onEach(t, func(t *testing.T, m *Model) {
		prompt := text(t, 9)
		for _, p := range []sample.Params{
			{},
			{Temperature: 1.5, TopK: 20, TopP: 0.95, RepeatPenalty: 1.05, Seed: 3},
			{Temperature: 1, TopK: 60, PresencePenalty: 30, Seed: 3},
			{Temperature: 1, TopP: 0.9, Seed: 3},
		} {
			const n = 24
			var want, got []int32
			sampler, err := sample.New(m.Vocab, p)
			if err != nil {
				t.Fatal(err)
			}
			if err := sampler.Prime(prompt); err != nil {
				t.Fatal(err)
			}
			seq := []Seq{{KV: newKV(t, m, 64), Tokens: prompt, Want: WantLast}}
			for range n {
				if err := m.Forward(context.Background(), seq); err != nil {
					t.Fatal(err)
				}
				id, err := sampler.Sample(seq[0].Logits)
				if err != nil {
					t.Fatal(err)
				}
				if err := sampler.Accept(id); err != nil {
					t.Fatal(err)
				}
				want = append(want, id)
				seq[0].Tokens = []int32{id}
			}
			s, err := m.NewSession(64)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			generate(t, s, prompt, Generation{Sampling: p, MaxTokens: n, IgnoreEOG: true, Token: func(id int32) { got = append(got, id) }})
			if !slices.Equal(got, want) {
				t.Errorf("%s: the text is %d, by all logits %d", fmt.Sprintf("%+v", p), got, want)
			}
		}
	})
}

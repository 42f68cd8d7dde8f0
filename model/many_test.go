package model

import (
	"context"
	"slices"
	"testing"

	"qgo/kernels/plan"
)

// recorder notes the batches that a stage is to compute, and computes nothing.
type recorder struct {
	plan.Stage
	apart  bool
	many   []bool
	spans  [][]int // rows of the spans of each batch
	pinned []int   // numbers of each piece of memory that it was told
}

func (r *recorder) Pin(logits []float32) { r.pinned = append(r.pinned, len(logits)) }

func (r *recorder) Apart() bool { return r.apart }

func (r *recorder) Run(_ context.Context, b *plan.Batch) error {
	var rows []int
	for _, span := range b.Spans {
		rows = append(rows, span.N)
	}
	r.many, r.spans = append(r.many, b.Many), append(r.spans, rows)
	return nil
}

// TestMany checks what is in a batch together: few tokens of a sequence and many
// only where the stage computes both in the same way. The last ones of many are
// still many.
func TestMany(t *testing.T) {
	ids := text(t, 100)
	for _, c := range []struct {
		apart bool
		many  []bool
		spans [][]int
	}{
		{false, []bool{false, true, true}, [][]int{{1, 31, 16}, {48}, {6, 32}}},
		{true, []bool{false, true, true}, [][]int{{1, 31}, {48}, {22, 26}}},
	} {
		m := tiny(t, Options{Tier: "go", Context: 128, MaxRows: 48})
		if c.apart {
			c.many, c.spans = append(c.many, true), append(c.spans, []int{6})
		}
		r := &recorder{Stage: m.stages[0], apart: c.apart}
		m.stages[0] = r
		var seqs []Seq
		for _, n := range []int{1, plan.Many - 1, 70, plan.Many} {
			seqs = append(seqs, Seq{KV: newKV(t, m, 128), Tokens: ids[:n]})
		}
		if err := m.Forward(context.Background(), seqs); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.many, c.many) || !slices.EqualFunc(r.spans, c.spans, slices.Equal[[]int]) {
			t.Errorf("apart %v: batches of %v, many %v; want %v, %v", c.apart, r.spans, r.many, c.spans, c.many)
		}
		m.stages[0] = r.Stage
	}
}

// TestPinned checks of which memory for logits a stage is told: that of a sequence by itself,
// when it is new, but not of a whole prompt.
func TestPinned(t *testing.T) {
	ids := text(t, 60)
	m := tiny(t, Options{Tier: "go", Context: 128, MaxRows: 48})
	r := &recorder{Stage: m.stages[0]}
	m.stages[0] = r
	forward := func(seqs ...Seq) []Seq {
		t.Helper()
		if err := m.Forward(context.Background(), seqs); err != nil {
			t.Fatal(err)
		}
		return seqs
	}
	kv, other := newKV(t, m, 128), newKV(t, m, 128)
	next := func(kv *KV, want Want, n int, logits []float32) Seq {
		return Seq{KV: kv, Tokens: ids[:n], Want: want, Logits: logits}
	}
	s := forward(next(kv, WantLast, 5, nil))
	s = forward(next(kv, WantLast, 1, s[0].Logits)) // the same memory
	s = forward(next(kv, WantAll, pinnedRows, s[0].Logits))
	forward(next(kv, WantAll, 3, s[0].Logits)) // a part of it
	forward(next(kv, WantAll, pinnedRows+1, nil))
	forward(next(kv, WantNone, 1, nil))
	forward(next(kv, WantLast, 1, nil), next(other, WantLast, 1, nil))
	if want := []int{m.Vocab, pinnedRows * m.Vocab}; !slices.Equal(r.pinned, want) {
		t.Errorf("told of %d numbers, want %d", r.pinned, want)
	}
	m.stages[0] = r.Stage
}

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
	apart bool
	many  []bool
	spans [][]int // rows of the spans of each batch
}

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

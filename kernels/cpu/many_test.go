package cpu

import (
	"context"
	"math"
	"slices"
	"testing"

	"qgo/kernels"
	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// TestMany computes many tokens with tiers that multiply them in bfloat16, integer weights,
// and as words, floating-point ones: the bits depend neither on how the tokens are cut into
// batches nor on the number of workers, are near those of a tier without, and few tokens have
// the same as there.
func TestMany(t *testing.T) {
	bfloat := *tier.Go
	bfloat.Many = &tier.Many{Bfloat: generic.Bfloat, In: quant.Type.Integer}
	t.Run("bfloat16", func(t *testing.T) { testMany(t, tier.Go, &bfloat, small(), 0.02) })
	for _, on := range tier.All() {
		if on.Many != nil {
			few := *on
			few.Many = nil
			t.Run("bfloat16, "+on.Name, func(t *testing.T) { testMany(t, &few, on, small(), 0.02) })
		}
	}
	p := small()
	asF16(&p)
	for _, words := range tier.All() {
		if words = Suited(p, words); manyWords(words) {
			few := *words
			few.Many = nil
			t.Run("words, "+words.Name, func(t *testing.T) { testMany(t, &few, words, p, 2e-3) })
		}
	}
}

// testMany wants of the tier on what TestMany says, at most so far from the tier without,
// which multiplies many rows as few.
func testMany(t *testing.T, without, on *tier.Tier, p plan.Plan, most float64) {
	const rows = 36
	compute := func(on *tier.Tier, workers int, many bool, cuts ...int) []float32 {
		pool := kernels.NewPool(workers, false)
		defer pool.Close()
		s, err := New(p, Options{Pool: pool, Tier: on, Workers: workers, MaxRows: rows, MaxCtx: rows})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		kv, err := s.NewKV(rows, quant.F16)
		if err != nil {
			t.Fatal(err)
		}
		defer kv.Close()
		var b *plan.Batch
		for first := 0; first < rows; {
			n := rows - first
			if len(cuts) > 0 {
				n, cuts = cuts[0], cuts[1:]
			}
			b = &plan.Batch{
				Spans: []plan.Span{{KV: kv, Pos: first, N: n}}, Many: many,
				Outputs: []int{n - 1}, Logits: make([]float32, s.Vocab),
			}
			for i := range n {
				b.Tokens = append(b.Tokens, int32(7*(first+i)%s.Vocab))
			}
			if err := s.Run(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			first += n
		}
		return b.Logits
	}
	many := compute(on, 1, true)
	for _, cuts := range [][]int{{33}, {1, 16, 3}} {
		if !slices.Equal(compute(on, 2, true, cuts...), many) {
			t.Errorf("cut after %v the logits differ", cuts)
		}
	}
	few := compute(without, 1, false)
	if !slices.Equal(compute(on, 1, false), few) || !slices.Equal(compute(without, 1, true), few) {
		t.Error("of few the logits differ")
	}
	var diff, size float64
	for i, v := range few {
		diff += math.Pow(float64(many[i]-v), 2)
		size += math.Pow(float64(v), 2)
	}
	if far := math.Sqrt(diff / size); far == 0 || !(far < most) {
		t.Errorf("the distance from few is %.2g of the logits, want more than 0 and less than %g", far, most)
	}
}

// TestFast looks when --fast has a tier of its own: where the blocks have
// floating-point weights that it multiplies in bfloat16, and where no integers
// among them want another short form of the same activations.
func TestFast(t *testing.T) {
	floats := func(t quant.Type) bool { return !t.Integer() }
	all := func(quant.Type) bool { return true }
	panels := tier.All()[0].Panels
	for _, c := range []struct {
		name   string
		panels panel.Layout
		in     func(quant.Type) bool
		change func(p *plan.Plan)
		want   bool
	}{
		{"f16", panels, floats, asF16, true},
		{"f16 and integers in bfloat16", panels, all, asF16, true},
		{"integers", panels, floats, func(*plan.Plan) {}, false},
		{"integers in bfloat16 without --fast", panels, all, func(*plan.Plan) {}, false},
		{"one matrix of integers", panels, floats, func(p *plan.Plan) {
			integers := p.Blocks[1].Up.W
			asF16(p)
			p.Blocks[1].Up.W = integers
		}, false},
		{"one of integers, in bfloat16", panels, all, func(p *plan.Plan) {
			integers := p.Blocks[1].Up.W
			asF16(p)
			p.Blocks[1].Up.W = integers
		}, true},
		{"no panels", nil, floats, asF16, false},
	} {
		if c.panels == nil && c.name != "no panels" {
			continue // plain Go is all that there is
		}
		p := small()
		c.change(&p)
		fast := *tier.Go
		fast.Panels, fast.Many = c.panels, &tier.Many{Bfloat: generic.Bfloat, In: c.in}
		best := *tier.Go
		best.Fast = &fast
		if got := Fast(p, &best) == &fast; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	p := small()
	asF16(&p)
	if panels != nil { // a CPU that lacks the instructions
		t.Setenv("QGO_TEST_LACKS", "1")
		fast, best := *tier.Go, *tier.Go
		fast.ISA, fast.Panels = &tier.ISA{Switch: "QGO_TEST_LACKS"}, panels
		fast.Many = &tier.Many{Bfloat: generic.Bfloat, In: all}
		best.Fast = &fast
		if Fast(p, &best) != &best {
			t.Error("a tier that this machine cannot run is taken")
		}
	}
	if Fast(p, tier.Go) != tier.Go {
		t.Error("plain Go has another tier")
	}
}

// asF16 makes the weights of the blocks f16.
func asF16(p *plan.Plan) {
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			values := make([]float32, l.W.Rows*l.W.Cols)
			for r := range l.W.Rows {
				codec.Dequantize(l.W.Type, values[r*l.W.Cols:][:l.W.Cols], l.W.Row(r))
			}
			l.W = tensor.Tensor{Type: quant.F16, Rows: l.W.Rows, Cols: l.W.Cols, Data: make([]byte, l.W.Rows*quant.F16.RowBytes(l.W.Cols))}
			codec.Quantize(quant.F16, l.W.Data, values)
		}
	}
}

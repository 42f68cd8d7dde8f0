package cuda

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

// TestArgmax finds the first of the largest of a row's values, which may be the
// first or the last, negative or infinite, and fewer than the block's threads.
func TestArgmax(t *testing.T) {
	dev := anyGPU(t, emulator.Options{})
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		n, want int
		large   map[int]float32
	}{
		{1, 0, nil}, {31, 30, map[int]float32{30: -1}}, {1000, 0, nil}, {1000, 999, map[int]float32{999: 3}}, {3, 2, map[int]float32{0: -inf, 1: -inf}}, {2, 0, map[int]float32{0: -inf, 1: -inf}},
		{1000, 255, map[int]float32{256: 3, 255: 3, 700: 3}}, {600, 300, map[int]float32{300: inf, 301: inf}},
	} {
		x := make([]float32, c.n)
		for i := range x {
			x[i] = -2
		}
		for i, v := range c.large {
			x[i] = v
		}
		if want := int(plan.Largest(x)); want != c.want {
			t.Errorf("the CPU finds %d of %v, want %d", want, c.large, c.want)
		}
		x = slices.Concat(make([]float32, c.n), x) // a row before
		x[0] = 1
		for _, parts := range []int{1, 2, 64} {
			got, err := largestOf(dev, x, c.n, parts)
			if err != nil || !slices.Equal(got, []int32{0, int32(c.want)}) {
				t.Errorf("of %d values, %v among them, the largest is %d by %d parts (%v), want %d", c.n, c.large, got, parts, err, c.want)
			}
		}
	}
}

// largestOf returns the places of the largest of each n values.
func largestOf(dev *Device, x []float32, n, parts int) ([]int32, error) {
	rows := len(x) / n
	out := make([]int32, rows)
	m := &memory{dev: dev}
	return out, dev.do(func() error {
		defer m.free()
		var p [4]driver.Ptr
		for i, values := range [][]float32{x, make([]float32, rows*parts), make([]float32, rows*parts), make([]float32, rows)} {
			var err error
			if p[i], err = upload(m, values); err != nil {
				return err
			}
		}
		if err := launch(dev, "largest", rows*parts, vectorThreads, largestArgs{p[0], p[1], p[2], int32(n), int32(parts)}); err != nil {
			return err
		}
		if err := launch(dev, "argmax", rows, warpLen, argmaxArgs{p[1], p[2], p[3], int32(parts)}); err != nil {
			return err
		}
		return dev.ctx.CopyOut(bytesOf(out), p[3])
	})
}

// TestTop compares the largest logits that the GPU finds with those that the CPU finds: of rows
// shorter than a block, of several parts, and of as many values as a part can have; of equal,
// infinite and odd ones; where one thread has most of the largest.
func TestTop(t *testing.T) {
	dev := anyGPU(t, emulator.Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct{ n, parts int }{{1, 1}, {63, 1}, {64, 4}, {1000, 1}, {5000, 3}, {topBlock, 1}, {2*topBlock + 5, 3}, {9000, maxSplits}} {
		values := []struct {
			name  string
			value func(i int) float32
		}{
			{"random", func(int) float32 { return float32(rng.NormFloat64()) }},
			{"few values", func(int) float32 { return float32(rng.IntN(3)) - 1 }},
			{"rising", func(i int) float32 { return float32(i) }},
			{"falling", func(i int) float32 { return -float32(i) }},
			{"one thread's", func(i int) float32 { return -float32(i % vectorThreads) }},
			{"minus infinity", func(int) float32 { return -inf }},
			{"odd", func(int) float32 {
				return []float32{nan, -nan, inf, -inf, 0, float32(math.Copysign(0, -1)), 1, math.MaxFloat32}[rng.IntN(8)]
			}},
		}
		var x []float32
		for _, v := range values {
			for i := range c.n {
				x = append(x, v.value(i))
			}
		}
		got, err := topOf(dev, x, c.n, c.parts)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]plan.Logit, plan.TopLen)
		for row, v := range values {
			plan.Top(want, x[row*c.n:][:c.n])
			for i, w := range want {
				if g := got[row*plan.TopLen+i]; g.Token != w.Token || g.Value != w.Value && w.Value == w.Value {
					t.Errorf("%s, %d logits in %d parts: number %d is %v, want %v", v.name, c.n, c.parts, i, g, w)
					break
				}
			}
		}
	}
}

// topOf returns the largest of each n logits.
func topOf(dev *Device, x []float32, n, parts int) ([]plan.Logit, error) {
	rows := len(x) / n
	out := make([]plan.Logit, rows*plan.TopLen)
	m := &memory{dev: dev}
	return out, dev.do(func() error {
		defer m.free()
		logits, err := upload(m, x)
		if err != nil {
			return err
		}
		to, err := upload(m, out)
		if err != nil {
			return err
		}
		keys, err := m.alloc(int64(rows * parts * plan.TopLen * keyBytes))
		if err != nil {
			return err
		}
		args := topArgs{logits, keys, to, 0, int32(n), int32(parts)}
		if err := launch(dev, "topOfPart", rows*parts, vectorThreads, args); err != nil {
			return err
		}
		if err := launch(dev, "topOfRow", rows, vectorThreads, args); err != nil {
			return err
		}
		return dev.ctx.CopyOut(bytesOf(out), to)
	})
}

// TestTopParts gives every row of a vocabulary parts that a block can do, and whose largest a
// block can do, within the memory that there is for them.
func TestTopParts(t *testing.T) {
	for _, vocab := range []int{1, 300, 151936, mostVocab} {
		for _, most := range []int{1, 7, headRows, 100} {
			p := plan.Plan{Dims: plan.Dims{Vocab: vocab}, Head: &plan.Head{}}
			room := keysBytes(p, plan.Options{MaxRows: most})
			for rows := 1; rows <= min(most, headRows); rows++ {
				parts := topParts(vocab, rows)
				if ceil(vocab, parts) > topBlock || parts*plan.TopLen > topBlock || int64(rows*parts*plan.TopLen*keyBytes) > room {
					t.Fatalf("%d rows of %d logits: %d parts, with %d bytes for all", rows, vocab, parts, room)
				}
			}
		}
	}
}

// TestBest compares the most likely tokens that the GPU chooses, and the largest logits, with
// those of its logits: of one row, of which a newer GPU chooses the token as it multiplies the
// head, and of more rows than are computed at a time.
func TestBest(t *testing.T) {
	p := shape(t, 64, 2, quant.Q8_0)
	options := plan.Options{MaxRows: headRows + 3, MaxCtx: 100}
	for name, load := range map[string]func(t *testing.T) *Stage{
		"base": func(t *testing.T) *Stage {
			s, err := load(p, anyGPU(t, emulator.Options{}), options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
		"units": func(t *testing.T) *Stage {
			return tokenStageFor(t, tokenGPU(t, tensorCapability, 4), p, options)
		},
		"copies in bulk": func(t *testing.T) *Stage {
			return tokenStageFor(t, tokenGPU(t, earlyCapability, 4), p, options)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t)
			if *realGPU < 0 && s.streams(1) != (name != "base") {
				t.Error("a token is not chosen as this GPU should choose it")
			}
			kv, rng := newKV(t, s, 100, quant.F16), rand.New(rand.NewPCG(1, 2))
			for _, rows := range []int{1, 1, 1, 1, 1, headRows + 3} {
				bestOf(t, s, kv, rng, rows)
			}
		})
	}
}

// bestOf compares what the GPU chooses after some rows.
func bestOf(t *testing.T, s *Stage, kv plan.KV, rng *rand.Rand, rows int) {
	t.Helper()
	b := &plan.Batch{Spans: []plan.Span{{KV: kv, N: rows}}, Logits: make([]float32, rows*s.Vocab)}
	for i := range rows {
		b.Tokens, b.Outputs = append(b.Tokens, int32(rng.IntN(s.Vocab))), append(b.Outputs, i)
	}
	if err := s.Run(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	b.Best, b.Top = make([]int32, rows), make([]plan.Logit, rows*plan.TopLen)
	b.Choose()
	want, wantTop := slices.Clone(b.Best), b.Top
	clear(b.Best)
	b.Top = nil
	if err := s.Run(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Best, want) {
		t.Errorf("after %d the GPU chooses %d, its logits say %d", b.Tokens, b.Best, want)
	}
	b.Best, b.Top = nil, make([]plan.Logit, rows*plan.TopLen)
	if err := s.Run(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Top, wantTop) {
		t.Errorf("after %d the GPU finds other logits to be the largest than the CPU", b.Tokens)
	}
}

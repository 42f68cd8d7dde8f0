package model

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/quant/codec"
)

// What CheckWeights takes for damage. In sound models the largest weight of 256
// neighbours is within some hundred times what is usual in its matrix, whatever
// the type; bytes that are not the file's give scales of any size. Matrices have
// weights of zero, and rows of them where training left a neuron dead, but a
// hole of zeros is what a download leaves that did not end.
const (
	checkGroup  = 256     // weights that are looked at together; whole blocks of every type
	maxLargest  = 12      // how many times the largest of a group may be twice the usual
	maxZeroHole = 1 << 16 // bytes
)

// CheckWeights looks through all weights of a file for what no sound model has,
// on all cores: infinities and NaN, weights far larger than the others of their
// matrix, and holes of zeros. The error is about the first tensor that has any.
// progress, if not nil, is called with the bytes that are done.
func CheckWeights(ctx context.Context, f *gguf.File, progress func(done int64)) error {
	errs := make([]error, len(f.Tensors))
	var next, done atomic.Int64
	var report sync.Mutex
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(f.Tensors)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(f.Tensors)); i = next.Add(1) - 1 {
				t := &f.Tensors[i]
				errs[i] = gguf.Guard(f.Name, func() error { return checkTensor(ctx, f, t) })
				f.Release(t.Data)
				n := done.Add(int64(len(t.Data)))
				if progress != nil {
					report.Lock()
					progress(n)
					report.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// weightCheck is the state of looking through a tensor.
type weightCheck struct {
	f *gguf.File
	t *gguf.Tensor

	count [256]int // of groups, by the exponent of their largest weight
	first [256]int // weight of the first of them
	zero  int      // of the weights before this one, how many are zero in a row
	hole  int      // the longest such row, and
	end   int      // where it ends
}

func checkTensor(ctx context.Context, f *gguf.File, t *gguf.Tensor) error {
	c := &weightCheck{f: f, t: t}
	if err := c.finite(ctx); err != nil {
		return err
	}
	if t.Rows() == 1 { // biases may have any size
		return nil
	}
	const step = 1 << 12 // groups between looks at ctx
	var x [checkGroup]float32
	for at, n := 0, t.Elements(); at < n; at += checkGroup {
		if at/checkGroup%step == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		group := x[:min(checkGroup, n-at)]
		codec.Dequantize(t.Type, group, t.Data[t.Type.RowBytes(at):])
		c.add(at, group)
	}
	return c.verdict()
}

// finite looks for infinities and NaN.
func (c *weightCheck) finite(ctx context.Context) error {
	const step = 1 << 16 // blocks between looks at ctx
	size := c.t.Type.BlockBytes()
	for first := 0; first*size < len(c.t.Data); first += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := codec.NotFinite(c.t.Type, c.t.Data[first*size:min((first+step)*size, len(c.t.Data))])
		switch {
		case i < 0:
		case c.t.Type.BlockLen() > 1:
			return c.errorf((first+i)*c.t.Type.BlockLen(), " has a scale that is no finite number")
		default:
			return c.errorf(first+i, " is no finite number")
		}
	}
	return nil
}

// add looks at a group of weights, the first of which has that index.
func (c *weightCheck) add(at int, x []float32) {
	var top uint32 // bits of the largest magnitude
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	if top == 0 {
		c.zero += len(x)
		if c.zero > c.hole {
			c.hole, c.end = c.zero, at+len(x)
		}
		return
	}
	c.zero = 0
	e := top >> 23
	if c.count[e]++; c.count[e] == 1 {
		c.first[e] = at
	}
}

// verdict is the error about what was added, if any.
func (c *weightCheck) verdict() error {
	groups, largest := 0, 0
	for e, n := range c.count {
		if groups += n; n > 0 {
			largest = e
		}
	}
	usual := 0
	for sum := c.count[0]; 2*sum < groups; sum += c.count[usual] {
		usual++
	}
	hole := c.hole / c.t.Type.BlockLen() * c.t.Type.BlockBytes()
	if c.end == c.t.Elements() && (c.t.Name == "token_embd.weight" || c.t.Name == "output.weight") {
		hole = 0 // rows that fill the vocabulary up to a round size
	}
	switch {
	case groups == 0:
		return c.errorf(0, " and all others are zero")
	case largest-usual > maxLargest:
		return c.errorf(c.first[largest], ", or one of the %d after it, is thousands of times as large as is usual in this tensor", checkGroup-1)
	case hole > maxZeroHole:
		return c.errorf(c.end-c.hole, " and the %d after it, %d bytes, are zero", c.hole-1, hole)
	}
	return nil
}

// errorf returns an error about a weight.
func (c *weightCheck) errorf(weight int, format string, args ...any) error {
	cols := c.t.Dims[0]
	at := c.t.Offset + int64(weight/c.t.Type.BlockLen()*c.t.Type.BlockBytes())
	return c.f.Errorf(at, "tensor %s: weight %d of row %d%s; the file is damaged", show.Text(c.t.Name), weight%cols, weight/cols, fmt.Sprintf(format, args...))
}

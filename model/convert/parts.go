package convert

import (
	"context"
	"slices"
	"sync"

	"qgo/gguf"
	"qgo/quant"
	"qgo/quant/codec"
)

// A part is some rows of a tensor on their way into the new file.
type part struct {
	f    *gguf.File
	from *gguf.Tensor
	to   quant.Type
	row  int // the first
	rows int

	out  []byte
	err  error
	done chan struct{} // closed when out and err are set
}

// partWeights is about the number of weights in a part.
const partWeights = 1 << 18

// newParts cuts the tensors of f, which are to become those of h, into parts.
func newParts(f *gguf.File, h gguf.Header) []*part {
	var parts []*part
	for i := range f.Tensors {
		t := &f.Tensors[i]
		rows, step := t.Rows(), max(partWeights/t.Dims[0], 1)
		for row := 0; row < rows; row += step {
			n := min(step, rows-row)
			parts = append(parts, &part{
				f: f, from: t, to: h.Tensors[i].Type, row: row, rows: n, done: make(chan struct{}),
			})
		}
	}
	return parts
}

// write computes the parts on all workers and writes them in order. progress
// is called with the bytes of the input that are done.
func write(ctx context.Context, w *gguf.Writer, parts []*part, workers int, progress func(done int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	// The order's length bounds the parts in flight, and with them the memory.
	order, queue := make(chan *part, 2*workers), make(chan *part)
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	wg.Go(func() {
		defer close(order)
		defer close(queue)
		for _, p := range parts {
			select {
			case order <- p:
			case <-ctx.Done():
				return
			}
			queue <- p // workers never stop before the queue ends
		}
	})
	for range workers {
		wg.Go(func() {
			var row []float32
			for p := range queue {
				p.out = *buffers.Get().(*[]byte)
				p.err = gguf.Guard(p.f.Name, func() error { return p.compute(&row) })
				close(p.done)
			}
		})
	}
	var done int64
	for p := range order {
		<-p.done
		if p.err != nil {
			return p.err
		}
		if err := w.WritePart(p.out); err != nil {
			return err
		}
		done += int64(p.rows * p.from.Type.RowBytes(p.from.Dims[0]))
		p.f.Release(p.source())
		buffers.Put(&p.out)
		progress(done)
	}
	return ctx.Err()
}

// source is the part's rows in the input.
func (p *part) source() []byte {
	n := p.from.Type.RowBytes(p.from.Dims[0])
	return p.from.Data[p.row*n : (p.row+p.rows)*n]
}

// compute sets p.out. row is scratch.
func (p *part) compute(row *[]float32) error {
	cols := p.from.Dims[0]
	in, out := p.from.Type.RowBytes(cols), p.to.RowBytes(cols)
	src := p.source()
	if i := codec.NotFinite(p.from.Type, src); i >= 0 { // the blocks of floating-point types are weights
		return p.errorf(i/cols, "weight %d of row %d is no finite number; the file is damaged, or its model did not survive training", i%cols, p.row+i/cols)
	}
	if p.to == p.from.Type {
		p.out = append(p.out[:0], src...)
		return nil
	}
	if cap(*row) < cols {
		*row = make([]float32, cols)
	}
	if cap(p.out) < p.rows*out {
		p.out = make([]byte, p.rows*out)
	}
	p.out = p.out[:p.rows*out]
	x := (*row)[:cols]
	for i := range p.rows {
		dst := p.out[i*out : (i+1)*out]
		codec.Dequantize(p.from.Type, x, src[i*in:(i+1)*in])
		codec.Quantize(p.to, dst, x)
		if codec.Overflows(p.to, dst, x) {
			return p.errorf(i, "row %d has weights as large as %.3g, too large for %v; choose a type that holds them, such as q8_0 or f32",
				p.row+i, max(slices.Max(x), -slices.Min(x)), p.to)
		}
	}
	return nil
}

// errorf returns an error about a row of the part.
func (p *part) errorf(row int, format string, args ...any) error {
	return p.f.TensorErrorf(p.from, int64((p.row+row)*p.from.Type.RowBytes(p.from.Dims[0])), ": "+format, args...)
}

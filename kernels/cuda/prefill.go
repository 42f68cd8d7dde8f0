package cuda

import (
	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// Prefill on GPUs that have units for products of matrices: see src/tensor.h and
// src/flash.h. Weights become float16 numbers a part at a time, in memory that a GPU's
// cache holds, and activations have as many bits.

// The parameters of the kernels.
type (
	expandArgs struct {
		w           matrixArgs
		y           driver.Ptr
		first, rows int32
	}
	normHalvesArgs struct {
		x, weight, y, scales driver.Ptr
		width                int32
		eps                  float32
	}
	swigluHalvesArgs struct {
		gateUp, y, scales driver.Ptr
		width             int32
		_                 int32
	}
	tensorMatmulArgs struct {
		x, scales, w, bias, y         driver.Ptr
		n, rows, cols, yStride, added int32
		_                             int32
	}
	flashArgs struct {
		qkv, rows, out                   driver.Ptr
		n, layer, heads, kvHeads, stride int32
		_                                int32
	}
)

// What the kernels are written for.
const (
	expandThreads    = 256
	tensor128Threads = 256
	tensor64Threads  = 128
	flashThreads     = 128
	flashRows        = 64
)

// tensorModule is the module of these kernels and of one that measures such units,
// tensorCapability that from which on GPUs have them.
const (
	tensorModule     = "tensor"
	tensorCapability = 80
)

var tensorKernels = func() []string {
	names := []string{tensorKernel, "rmsnorm_halves", "swiglu_halves", "tensor128", "tensor64"}
	for _, kv := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		names = append(names, "flash64_"+kv.String(), "flash128_"+kv.String())
	}
	for _, t := range quant.Types() {
		if t.HasKernels() {
			names = append(names, "expand_"+t.String())
		}
	}
	return names
}()

// tensorRows is the number of rows of one sequence from which on they are multiplied in
// float16: a text's numbers do not depend on what else is in a batch.
const tensorRows = 32

// partBytes is about the size of the part of the weights that is expanded at a time.
const partBytes = 24 << 20

// hasTensor reports whether a stage with these options multiplies in float16.
func (d *Device) hasTensor(o plan.Options) bool {
	return capability(d.info) >= tensorCapability && !o.Exact && o.MaxRows >= tensorRows
}

// partOf is the number of float16 numbers of the largest part.
func partOf(p plan.Plan) int64 {
	largest := 0
	for i := range p.Blocks {
		b := &p.Blocks[i]
		for _, together := range [][]plan.Linear{{b.Q, b.K, b.V}, {b.O}, {b.Gate, b.Up}, {b.Down}} {
			n := 0
			for _, l := range together {
				n += l.W.Rows * l.W.Cols
			}
			largest = max(largest, min(n, max(partBytes/2, together[0].W.Cols)))
		}
	}
	return int64(largest)
}

// needTensor loads the kernels if they are not there.
func (d *Device) needTensor() error {
	if d.functions[tensorKernel] != nil {
		return nil
	}
	return d.loadModuleFor(tensorCapability, tensorModule, tensorKernels)
}

// halves are the buffers of prefill in float16.
type halves struct {
	part   driver.Ptr // of weights
	room   int64      // numbers
	x      driver.Ptr // activations
	scales driver.Ptr // of their rows
}

// allocHalves allocates them.
func (s *Stage) allocHalves(z sizes) (err error) {
	if err := s.dev.needTensor(); err != nil {
		return err
	}
	s.halves.room = z.part
	for _, b := range []struct {
		p *driver.Ptr
		n int64
	}{{&s.halves.part, 2 * z.part}, {&s.halves.x, 2 * z.halves}, {&s.halves.scales, 4 * int64(s.options.MaxRows)}} {
		if *b.p, err = s.memory.alloc(b.n); err != nil {
			return err
		}
	}
	return nil
}

// tensorBlock is block for many rows of a sequence.
func (p *pass) tensorBlock(i int) {
	l, n := &p.layers[i], p.rows
	q, kv := p.QDim(), p.KVDim()
	stride := q + 2*kv

	p.normaliseHalves(l.attnNorm)
	p.starts(plan.OpQKV)
	p.multiplyHalves(p.halves.scales, p.qkv, stride, false, &l.q, &l.k, &l.v)
	p.turn(i, stride)
	p.starts(plan.OpAttention)
	kernel := "flash64_"
	if p.HeadDim == 128 {
		kernel = "flash128_"
	}
	call(p, kernel+p.kv.String(), p.Heads*ceil(n, flashRows), flashThreads, flashArgs{
		qkv: p.qkv, rows: p.spans, out: p.halves.x,
		n: int32(n), layer: int32(i), heads: int32(p.Heads), kvHeads: int32(p.KVHeads), stride: int32(stride),
	})
	p.starts(plan.OpOutput)
	p.multiplyHalves(0, p.hidden, p.Width, true, &l.o)

	p.normaliseHalves(l.ffnNorm)
	p.starts(plan.OpGateUp)
	p.multiplyHalves(p.halves.scales, p.gate, 2*p.FFN, false, &l.gate, &l.up)
	call(p, "swiglu_halves", n, vectorThreads, swigluHalvesArgs{gateUp: p.gate, y: p.halves.x, scales: p.halves.scales, width: int32(p.FFN)})
	p.starts(plan.OpDown)
	p.multiplyHalves(p.halves.scales, p.hidden, p.Width, true, &l.down)
}

// normaliseHalves writes the normed rows of the hidden states to the activations in
// float16.
func (p *pass) normaliseHalves(weight driver.Ptr) {
	p.starts(plan.OpNorm)
	call(p, "rmsnorm_halves", p.rows, vectorThreads, normHalvesArgs{
		x: p.hidden, weight: weight, y: p.halves.x, scales: p.halves.scales, width: int32(p.Width), eps: p.Eps,
	})
}

// multiplyHalves multiplies the activations with matrices of equal rows, whose results
// stand side by side in y. Their biases stand one after the other.
func (p *pass) multiplyHalves(scales, y driver.Ptr, yStride int, add bool, all ...*linear) {
	cols := int(all[0].w.cols)
	args := tensorMatmulArgs{x: p.halves.x, scales: scales, w: p.halves.part, n: int32(p.rows), cols: int32(cols), yStride: int32(yStride)}
	if add {
		args.added = 1
	}
	room, done := int(p.halves.room)/cols, 0
	flush := func() {
		args.y = y + driver.Ptr(4*done)
		if all[0].bias != 0 {
			args.bias = all[0].bias + driver.Ptr(4*done)
		}
		p.tensorGemm(args)
		done += int(args.rows)
		args.rows = 0
	}
	for _, l := range all {
		for first := 0; first < int(l.w.rows); {
			rows := min(int(l.w.rows)-first, room-int(args.rows))
			call(p, "expand_"+l.typ.String(), ceil(rows*cols/groupLen, expandThreads), expandThreads, expandArgs{
				w: l.w, y: p.halves.part + driver.Ptr(2*int(args.rows)*cols), first: int32(first), rows: int32(rows),
			})
			first += rows
			if args.rows += int32(rows); int(args.rows) == room {
				flush()
			}
		}
	}
	if args.rows > 0 {
		flush()
	}
}

// tensorGemm chooses the larger tiles, which read less, where they keep all
// multiprocessors busy.
func (p *pass) tensorGemm(args tensorMatmulArgs) {
	n, rows := int(args.n), int(args.rows)
	if blocks := ceil(n, 128) * ceil(rows, 128); blocks >= p.dev.info.SMs {
		call(p, "tensor128", blocks, tensor128Threads, args)
		return
	}
	call(p, "tensor64", ceil(n, 64)*ceil(rows, 64), tensor64Threads, args)
}

// longest is the number of rows of the sequence that has most of them in a batch.
func longest(b *plan.Batch) (n int) {
	for _, s := range b.Spans {
		n = max(n, s.N)
	}
	return n
}

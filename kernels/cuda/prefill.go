package cuda

import (
	"cmp"

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
		w                   matrixArgs
		y                   driver.Ptr
		first, rows, spread int32
		_                   int32
	}
	normHalvesArgs struct {
		x, weight, y, scales driver.Ptr
		width                int32
		eps                  float32
	}
	tensorMatmulArgs struct {
		x, scales, w, wUps, bias, ups, y driver.Ptr
		scale                            float32
		n, rows, cols, yStride, add      int32
	}
	flashArgs struct {
		qkv, rows, out                   driver.Ptr
		n, layer, heads, kvHeads, stride int32
		_                                int32
	}
)

// What the kernels are written for.
const (
	expandThreads = 256
	flashThreads  = 256
	flashRows     = 64
	spread        = 8        // rows of gates, and of ups, that stand together
	gated         = 1.0 / 64 // what gates times ups are multiplied with
)

// tile is the part of a product that a block computes.
type tile struct {
	name           string
	rows, outputs  int // of x, and of each
	threads, bytes int // of a block, and of the shared memory that its launch gives it
	// What a multiprocessor takes for a group of columns of one tile, of two, and of as many as
	// it has room for at a time, in microseconds; and what it takes besides, in groups: fitted
	// to times of an H200 with shapes of 0.5B to 3B.
	times   []float64
	besides float64
}

// tiles are all of them. The larger ones read less, and a product of few outputs has enough
// of the smaller ones for all multiprocessors.
var tiles = []tile{
	{"128x128", 128, 128, 128, 64 << 10, []float64{0.48, 0.58}, 15},
	{"64x128", 64, 128, 128, 72 << 10, []float64{0.24, 0.39, 0.49}, 11},
	{"64x64by2", 64, 64, 256, 96 << 10, []float64{0.15, 0.22}, 14},
	{"64x64by4", 64, 64, 512, 96 << 10, []float64{0.13, 0.25}, 26},
}

// blocks is the number of tiles of a product.
func (t *tile) blocks(n, rows int) int { return ceil(n, t.rows) * ceil(rows, t.outputs) }

// time is about what a product takes. Where a multiprocessor has less shared memory than an
// H200's, fewer blocks run on it at a time.
func (t *tile) time(n, rows, cols int, gpu plan.DeviceInfo) float64 {
	const system = 1 << 10 // bytes of its memory that each block takes beside its own
	together := min(len(t.times), max(1, (gpu.BlockMemory+system)/(t.bytes+system)))
	each := ceil(t.blocks(n, rows), gpu.SMs)
	time := float64(each/together) * t.times[together-1]
	if last := each % together; last > 0 {
		time += t.times[last-1]
	}
	return time * (float64(cols)/groupLen + t.besides)
}

// tileOf returns the tile that a product takes the least time with.
func tileOf(n, rows, cols int, gpu plan.DeviceInfo) *tile {
	best := &tiles[0]
	for i := range tiles[1:] {
		if t := &tiles[1+i]; t.time(n, rows, cols, gpu) < best.time(n, rows, cols, gpu) {
			best = t
		}
	}
	return best
}

// tensorModule is the module of these kernels, but for attention's, and of those that
// measure such units and exchanges; tensorCapability is that from which on GPUs have them.
const (
	tensorModule     = "tensor"
	tensorCapability = 80
)

// tensorKernels are those of the module, of which some are for each kind of tile.
func tensorKernels() []string {
	all := []string{tensorKernel, exchangeKernel, "rmsnorm_halves"}
	for i := range tiles {
		all = append(all, "tensor_"+tiles[i].name, "gated_"+tiles[i].name)
	}
	return all
}

// PromptRows is a number that lets the multiprocessors have several of the larger tiles each, of
// the products of models of 0.5B and more.
func (d *Device) PromptRows() int {
	const rows, multiprocessors, most = 512, 32, 2048
	if capability(d.info) < tensorCapability {
		return rows
	}
	return min(max(1, d.info.SMs/multiprocessors)*rows, most)
}

// partBytes is about the size of the part of the weights that is expanded at a time: a share of
// the GPU's memory. Few large parts keep its multiprocessors busier than many small ones, which
// outweighs that a cache holds the small ones.
func (d *Device) partBytes() int {
	const least, most, share = 24 << 20, 96 << 20, 256
	return int(min(max(least, d.info.Memory/share), most))
}

// hasTensor reports whether a stage with these options multiplies in float16.
func (d *Device) hasTensor(o plan.Options) bool {
	return capability(d.info) >= tensorCapability && !o.Exact && o.MaxRows >= plan.Many
}

// partOf is the number of float16 numbers of the largest part.
func (d *Device) partOf(p plan.Plan) int64 {
	largest, part := 0, d.partBytes()/2
	for i := range p.Blocks {
		for _, all := range togetherIn(&p.Blocks[i]) {
			cols := all[0].W.Cols
			largest = max(largest, min(rowsOf(all)*cols, max(part, 2*spread*cols)))
		}
	}
	return int64(largest)
}

// needTensor loads the kernels if they are not there.
func (d *Device) needTensor() error {
	if d.functions[tensorKernel] != nil {
		return nil
	}
	if err := d.loadModuleFor(tensorCapability, tensorModule, tensorKernels()); err != nil {
		return err
	}
	for _, t := range tiles {
		for _, kernel := range []string{"tensor_", "gated_"} {
			if err := d.functions[kernel+t.name].Share(t.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// halves are the buffers of prefill in float16.
type halves struct {
	part   driver.Ptr // of weights
	room   int64      // numbers
	x      driver.Ptr // normed rows, or results of attention
	scales driver.Ptr // of their rows
	gated  driver.Ptr // results of gate and up
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
	}{{&s.halves.part, 2 * z.part}, {&s.halves.x, 2 * z.halves}, {&s.halves.gated, 2 * z.gated}, {&s.halves.scales, 4 * int64(s.options.MaxRows)}} {
		if *b.p, err = s.memory.alloc(b.n); err != nil {
			return err
		}
	}
	return nil
}

// tensorBlock is block for many rows of a sequence.
func (p *pass) tensorBlock(i int) {
	l, n := &p.layers[i], p.rows
	stride := p.QDim() + 2*p.KVDim()

	p.normaliseHalves(l.attnNorm)
	p.starts(plan.OpQKV)
	p.multiplyHalves(l.qkv, tensorMatmulArgs{scales: p.halves.scales, y: p.qkv, yStride: int32(stride)})
	p.turn(i, stride)
	p.starts(plan.OpAttention)
	call(p, p.flashKernel(), p.Heads*ceil(n, flashRows), flashThreads, flashArgs{
		qkv: p.qkv, rows: p.spans, out: p.halves.x,
		n: int32(n), layer: int32(i), heads: int32(p.Heads), kvHeads: int32(p.KVHeads), stride: int32(stride),
	})
	p.starts(plan.OpOutput)
	p.multiplyHalves(joined{l.o}, tensorMatmulArgs{y: p.hidden, yStride: int32(p.Width), add: 1})

	p.normaliseHalves(l.ffnNorm)
	p.starts(plan.OpGateUp)
	p.multiplyGated(l.gateUp)
	p.starts(plan.OpDown)
	p.multiplyHalves(joined{l.down}, tensorMatmulArgs{x: p.halves.gated, scale: 1 / gated, y: p.hidden, yStride: int32(p.Width), add: 1})
}

func (p *pass) flashKernel() string { return p.ofCache("flash", tensorCapability, 0) }

// normaliseHalves writes the normed rows of the hidden states to the activations in
// float16.
func (p *pass) normaliseHalves(weight driver.Ptr) {
	p.starts(plan.OpNorm)
	call(p, "rmsnorm_halves", p.rows, vectorThreads, normHalvesArgs{
		x: p.hidden, weight: weight, y: p.halves.x, scales: p.halves.scales, width: int32(p.Width), eps: p.Eps,
	})
}

// expand turns rows of a matrix into float16 numbers, row at of the part of the weights
// and those behind it; see src/expand.h for spread ones.
func (p *pass) expand(l *linear, first, rows, at int, spread bool) {
	cols := int(l.w.cols)
	args := expandArgs{w: l.w, y: p.halves.part + driver.Ptr(2*at*cols), first: int32(first), rows: int32(rows)}
	if spread {
		args.spread = 1
	}
	call(p, "expand_"+l.typ.String(), ceil(rows*cols/groupLen, expandThreads), expandThreads, args)
}

// multiplyHalves multiplies float16 activations, those of halves.x if args name no others,
// with matrices whose results stand side by side in y. Where args have no scale, it is 1.
func (p *pass) multiplyHalves(all joined, args tensorMatmulArgs) {
	cols := int(all[0].w.cols)
	args.x, args.scale = cmp.Or(args.x, p.halves.x), cmp.Or(args.scale, 1)
	for i := range all {
		l, room := &all[i], int(p.halves.room)/cols
		if l.typ == quant.F16 {
			args.w, args.bias = l.w.codes, l.bias
			p.tensorGemm("tensor_", args, int(l.w.rows), cols)
			args.y += driver.Ptr(4 * l.w.rows)
			continue
		}
		for first := 0; first < int(l.w.rows); {
			rows := min(int(l.w.rows)-first, room)
			p.expand(l, first, rows, 0, false)
			args.w, args.bias = p.halves.part, l.biasOf(first)
			p.tensorGemm("tensor_", args, rows, cols)
			args.y += driver.Ptr(4 * rows)
			first += rows
		}
	}
}

// multiplyGated multiplies them with gates and ups, and writes silu(gate)*up, multiplied
// with gated, to halves.gated.
func (p *pass) multiplyGated(all joined) {
	gate, up, ups := &all[0], &all[len(all)-1], 0
	if len(all) == 1 {
		ups = p.FFN // in one piece, ups are behind gates
	}
	args := tensorMatmulArgs{x: p.halves.x, scales: p.halves.scales, scale: 1, y: p.halves.gated, yStride: int32(p.FFN)}
	if gate.typ == quant.F16 && up.typ == quant.F16 {
		args.w, args.wUps = gate.w.codes, up.w.codes+driver.Ptr(2*ups*p.Width)
		args.bias, args.ups = gate.biasOf(0), up.biasOf(ups)
		p.tensorGemm("gated_", args, 2*p.FFN, p.Width)
		return
	}
	args.w = p.halves.part
	room := int(p.halves.room) / p.Width / (2 * spread) * spread
	for first := 0; first < p.FFN; {
		rows := min(p.FFN-first, room)
		args.bias, args.ups = gate.biasOf(first), up.biasOf(ups+first)
		p.expand(gate, first, rows, 0, true)
		p.expand(up, ups+first, rows, spread, true)
		p.tensorGemm("gated_", args, 2*rows, p.Width)
		first += rows
		args.add = int32(first)
	}
}

// tensorGemm multiplies with float16 numbers.
func (p *pass) tensorGemm(kernel string, args tensorMatmulArgs, rows, cols int) {
	args.n, args.rows, args.cols = int32(p.rows), int32(rows), int32(cols)
	t := tileOf(p.rows, rows, cols, p.dev.info)
	call(p, kernel+t.name, t.blocks(p.rows, rows), t.threads, args)
}

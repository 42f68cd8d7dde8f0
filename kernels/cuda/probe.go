package cuda

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// The parameters of the kernels in src/ceilings.h.
type (
	streamArgs struct {
		from, to, sums driver.Ptr
		tiles          uint64
	}
	chainArgs struct {
		out                   driver.Ptr
		start, factor, addend uint32
		rounds                int32
	}
	barrierArgs struct {
		arrived driver.Ptr
		rounds  int32
		_       int32
	}
	// tensorArgs are those of probe_tensor in src/tensor.h.
	tensorArgs struct {
		out    driver.Ptr
		a, b   uint32
		rounds int32
		_      int32
	}
	// exchangeArgs are those of probe_exchange in src/latency.h.
	exchangeArgs struct {
		vectors driver.Ptr
		rounds  int32
		_       int32
	}
)

// What the kernels in src/ceilings.h are written for.
const (
	probeThreads = 256
	probeTile    = probeThreads * 4 * 16 // bytes
	probeChains  = 8
	probeSteps   = 16
	tensorTiles  = 8
	tensorOps    = 2 * 16 * 8 * 16 // of a warp's product
)

// ceilings is the module of these kernels.
const ceilings = "ceilings"

var ceilingKernels = []string{
	"probe_fill", "probe_read", "probe_copy", "probe_fp32", "probe_fp16", "probe_launch", "probe_barrier",
}

// Kernels of [tensorModule].
const (
	tensorKernel   = "probe_tensor"
	exchangeKernel = "probe_exchange"
)

// Bounds of the size of an array of a Probe: more than the largest L2 caches
// hold, and no more than a part of what the GPU's memory has left.
const (
	largestArray = 256 << 20
	arrayShare   = 8 // of the free memory
)

// chainRounds is the number of rounds of chains in one pass.
const chainRounds = 64

// barrierRounds is the number of barriers in one pass of [Probe.Barriers].
const barrierRounds = 1024

// Of a pass of [Probe.Exchanges]: the number of exchanges, a multiple of 4, and of the numbers of a vector.
const (
	exchangeRounds = 1024
	exchanged      = 4 * probeThreads
)

// Probe does what measures the ceilings of a GPU; see [plan.Probe]. Every
// method for that starts a number of passes, one after the other, and returns when the
// GPU has done them. Close it after use.
type Probe struct {
	dev     *Device
	memory  memory
	args    streamArgs
	size    int64
	blocks  map[string]int // that are resident together, by kernel
	threads int            // of the largest grid
	arrived driver.Ptr
	vectors driver.Ptr // that blocks exchange, if the GPU has kernels whose blocks do
}

// NewProbe takes GPU memory for one array or, when writes are to be measured,
// for two.
func (d *Device) NewProbe(writes bool) (plan.Probe, error) {
	p, err := d.newProbe(writes)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (d *Device) newProbe(writes bool) (*Probe, error) {
	p := &Probe{dev: d, memory: memory{dev: d}, blocks: map[string]int{}}
	err := d.do(func() error {
		err := p.open(writes)
		if err != nil {
			err = errors.Join(err, p.memory.free())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Probe) open(writes bool) error {
	if p.dev.functions[ceilingKernels[0]] == nil {
		if err := p.dev.loadModule(ceilings, ceilingKernels); err != nil {
			return err
		}
	}
	names := ceilingKernels
	if capability(p.dev.info) >= tensorCapability {
		if err := p.dev.needTensor(); err != nil {
			return err
		}
		names = append(slices.Clone(names), tensorKernel, exchangeKernel)
	}
	for _, name := range names {
		n, err := p.dev.functions[name].Occupancy(probeThreads)
		if err != nil {
			return err
		}
		p.blocks[name] = n * p.dev.info.SMs
		p.threads = max(p.threads, p.blocks[name]*probeThreads)
	}
	free, _, err := p.dev.ctx.MemInfo()
	if err != nil {
		return err
	}
	if p.size = min(free/arrayShare, largestArray) / probeTile * probeTile; p.size == 0 {
		return fmt.Errorf("cuda: %d bytes are free on %s: too few to measure its memory", free, p.dev.info.Name)
	}
	p.args.tiles = uint64(p.size / probeTile)
	if p.args.from, err = p.memory.alloc(p.size); err != nil {
		return err
	}
	if writes {
		if p.args.to, err = p.memory.alloc(p.size); err != nil {
			return err
		}
	}
	if p.args.sums, err = p.memory.alloc(4 * int64(p.threads)); err != nil {
		return err
	}
	if p.arrived, err = p.memory.alloc(4); err != nil {
		return err
	}
	if p.HasTensor() {
		if p.vectors, err = upload(&p.memory, make([]uint32, 2*exchanged)); err != nil {
			return err
		}
	}
	fill := streamArgs{to: p.args.from, tiles: p.args.tiles}
	if err := launch(p.dev, "probe_fill", p.blocks["probe_fill"], probeThreads, fill); err != nil {
		return err
	}
	return p.dev.ctx.Sync()
}

// Close frees the memory.
func (p *Probe) Close() error { return p.dev.do(p.memory.free) }

// Ceilings lists what can be measured.
func (p *Probe) Ceilings() []plan.Ceiling {
	all := []plan.Ceiling{
		{Name: plan.Reads, Amount: float64(p.size), Run: p.Read},
		{Name: plan.Copies, Amount: 2 * float64(p.size), Run: p.Copy},
		{Name: plan.Launched, Amount: 1, Run: p.Launch},
		{Name: plan.Barriers, Amount: barrierRounds, Run: p.Barriers},
		{Name: plan.Singles, Instruction: "fma.rn.f32", Amount: p.Ops(), Run: p.FP32},
		{Name: "fp16", Instruction: "fma.rn.f16x2", Amount: 2 * p.Ops(), Run: p.FP16},
	}
	if p.HasTensor() {
		all = append(all,
			plan.Ceiling{Name: plan.Exchanged, Amount: exchangeRounds, Run: p.Exchanges},
			plan.Ceiling{Name: plan.Matrices, Instruction: "mma.m16n8k16", Amount: p.TensorOps(), Run: p.Tensor})
	}
	return all
}

// Bytes is the size of an array.
func (p *Probe) Bytes() int64 { return p.size }

// passes launches a kernel a number of times.
func passes[T any](p *Probe, n int, kernel string, grid int, args T) error {
	return p.dev.do(func() error {
		for range n {
			if err := launch(p.dev, kernel, grid, probeThreads, args); err != nil {
				return err
			}
		}
		return p.dev.ctx.Sync()
	})
}

// Read reads the array n times.
func (p *Probe) Read(n int) error { return passes(p, n, "probe_read", p.blocks["probe_read"], p.args) }

// Copy copies it n times to the other one.
func (p *Probe) Copy(n int) error { return passes(p, n, "probe_copy", p.blocks["probe_copy"], p.args) }

// FP32 does n passes of fused multiply-adds of float32 numbers in registers, of
// [Probe.Ops] operations each.
func (p *Probe) FP32(n int) error {
	one := math.Float32bits(1)
	return p.chains(n, "probe_fp32", chainArgs{factor: one, addend: one, rounds: chainRounds})
}

// FP16 does them with pairs of float16 numbers, which are twice as many.
func (p *Probe) FP16(n int) error {
	const ones = 0x3c00_3c00 // two float16 numbers
	return p.chains(n, "probe_fp16", chainArgs{factor: ones, addend: ones, rounds: chainRounds})
}

func (p *Probe) chains(n int, kernel string, args chainArgs) error {
	args.out = p.args.sums
	return passes(p, n, kernel, p.grid(), args)
}

// grid is the number of blocks that run together whatever the kernel.
func (p *Probe) grid() int { return min(p.blocks["probe_fp32"], p.blocks["probe_fp16"]) }

// Ops is the number of operations of a pass of FP32; a multiplication and its
// addition are two.
func (p *Probe) Ops() float64 {
	each := probeChains*probeSteps*chainRounds + 2*(probeChains-1)
	return 2 * float64(each) * float64(p.grid()*probeThreads)
}

// HasTensor reports whether the GPU has units for products of matrices that
// [Probe.Tensor] can measure.
func (p *Probe) HasTensor() bool { return p.blocks[tensorKernel] > 0 }

// Tensor does n passes of products of float16 matrices that are added up in
// float32, of [Probe.TensorOps] operations each.
func (p *Probe) Tensor(n int) error {
	const ones = 0x3c00_3c00 // two float16 numbers
	args := tensorArgs{out: p.args.sums, a: ones, b: ones, rounds: chainRounds * probeSteps}
	return passes(p, n, tensorKernel, p.blocks[tensorKernel], args)
}

// TensorOps is the number of operations of a pass of Tensor.
func (p *Probe) TensorOps() float64 {
	warps := p.blocks[tensorKernel] * probeThreads / warpLen
	return tensorOps * tensorTiles * chainRounds * probeSteps * float64(warps)
}

// Launch launches a kernel that does nothing n times.
func (p *Probe) Launch(n int) error {
	return passes(p, n, "probe_launch", 1, barrierArgs{})
}

// Barriers does n passes in which all blocks of a grid, as many as the GPU runs
// at a time, wait for each other [barrierRounds] times.
func (p *Probe) Barriers(n int) error {
	zero := make([]byte, 4)
	return p.dev.do(func() error {
		for range n {
			if err := p.dev.ctx.CopyIn(p.arrived, zero); err != nil {
				return err
			}
			args := barrierArgs{arrived: p.arrived, rounds: barrierRounds}
			if err := launch(p.dev, "probe_barrier", p.blocks["probe_barrier"], probeThreads, args); err != nil {
				return err
			}
		}
		return p.dev.ctx.Sync()
	})
}

// Exchanges does n passes in which the blocks of a grid, as many as compute a token, make a vector
// together and wait for all of it [exchangeRounds] times. Only a GPU with units for products of matrices
// has a kernel for that.
func (p *Probe) Exchanges(n int) error {
	return passes(p, n, exchangeKernel, p.dev.tokenSMs(), exchangeArgs{vectors: p.vectors, rounds: exchangeRounds})
}

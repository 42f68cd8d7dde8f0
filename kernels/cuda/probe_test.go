package cuda

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
)

// opened returns a probe and, to compare with later, the memory that was free
// before.
func opened(t *testing.T, writes bool) (p *Probe, before int64) {
	t.Helper()
	dev := anyGPU(t, emulator.Options{Memory: 4 << 20})
	first, err := dev.newProbe(false) // loads the kernels, which take memory of a GPU
	if err == nil {
		err = first.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	before, _, err = dev.MemInfo()
	if err != nil {
		t.Fatal(err)
	}
	if p, err = dev.newProbe(writes); err != nil {
		t.Fatal(err)
	}
	return p, before
}

// words copies 32-bit words from the device.
func words(t *testing.T, p *Probe, at driver.Ptr, n int64) []uint32 {
	t.Helper()
	w := make([]uint32, n)
	if err := p.dev.do(func() error { return p.dev.ctx.CopyOut(bytesOf(w), at) }); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestProbeStreams reads and copies an array, and expects all of it to have been
// read and copied.
func TestProbeStreams(t *testing.T) {
	p, before := opened(t, true)
	if want := min(before/8, 256<<20) / probeTile * probeTile; p.Bytes() != want {
		t.Fatalf("an array of %d bytes, want %d", p.Bytes(), want)
	}
	launches := p.dev.Launches()
	if err := errors.Join(p.Read(2), p.Copy(1)); err != nil {
		t.Fatal(err)
	}
	var want, got uint32
	for i := range uint32(p.Bytes() / 4) {
		want += i
	}
	for _, s := range words(t, p, p.args.sums, int64(p.blocks["probe_read"]*probeThreads/warpLen)) {
		got += s
	}
	if got != want {
		t.Errorf("the words read add up to %d, want %d", got, want)
	}
	for i, w := range words(t, p, p.args.to, p.Bytes()/4) {
		if w != uint32(i) {
			t.Fatalf("word %d of the copy is %d", i, w)
		}
	}
	if n := p.dev.Launches() - launches; n != 3 {
		t.Errorf("%d launches, want two of reading and one of copying", n)
	}
	err := p.Close()
	after, _, failed := p.dev.MemInfo()
	if err != nil || failed != nil || after != before {
		t.Errorf("%d bytes are not freed: %v, %v", before-after, err, failed)
	}
}

// TestProbeChains compares what chains end with to the same sums in Go.
func TestProbeChains(t *testing.T) {
	p, _ := opened(t, false)
	const factor, addend, start = 0.5, 3, 2
	const rounds = 1
	var x [probeChains]float64
	x[0] = start
	step := func(x, c float64) float64 { return x*factor + c }
	for j := 1; j < probeChains; j++ {
		x[j] = step(x[j-1], addend)
	}
	for range rounds * probeSteps {
		for j := range x {
			x[j] = step(x[j], addend)
		}
	}
	end := x[0]
	for j := 1; j < probeChains; j++ {
		end = step(x[j], end)
	}
	single := math.Float32bits
	const half, halfThree, halfTwo = 0x3800, 0x4200, 0x4000 // 0.5, 3 and 2
	pair := func(h uint32) uint32 { return h<<16 | h }
	for _, c := range []struct {
		kernel string
		args   chainArgs
		value  func(bits uint32) float64
		near   float64
	}{
		{"probe_fp32", chainArgs{start: single(start), factor: single(factor), addend: single(addend), rounds: rounds},
			func(b uint32) float64 { return float64(math.Float32frombits(b)) }, 1e-5},
		// Sums in float16 have 11 bits.
		{"probe_fp16", chainArgs{start: pair(halfTwo), factor: pair(half), addend: pair(halfThree), rounds: rounds},
			func(b uint32) float64 {
				if b>>16 != b&0xffff {
					t.Fatalf("the halves differ: %#x", b)
				}
				return math.Ldexp(float64(1<<10|b&0x3ff), int(b>>10&0x1f)-25)
			}, 0.05},
	} {
		if err := p.chains(1, c.kernel, c.args); err != nil {
			t.Fatal(err)
		}
		for i, bits := range words(t, p, p.args.sums, int64(p.grid()*probeThreads)) {
			if got := c.value(bits); math.Abs(got-end) > c.near {
				t.Fatalf("%s: thread %d ends with %v, want %v", c.kernel, i, got, end)
			}
		}
	}
	// As many steps as Ops counts: each adds one to numbers from 0 to 7.
	if err := p.FP32(1); err != nil {
		t.Fatal(err)
	}
	want := float64(probeChains*probeSteps*chainRounds + probeChains*(probeChains-1)/2)
	if got := math.Float32frombits(words(t, p, p.args.sums, 1)[0]); float64(got) != want {
		t.Errorf("a pass ends with %v, want %v", got, want)
	}
	each := p.Ops() / float64(p.grid()*probeThreads)
	if want := 2.0 * (8*16*64 + 14); each != want {
		t.Errorf("%v operations of a thread, want %v", each, want)
	}
}

// TestProbeTensor adds products of ones up, on a GPU that can.
func TestProbeTensor(t *testing.T) {
	p, _ := opened(t, false)
	if want := capability(p.dev.info) >= tensorCapability; p.HasTensor() != want {
		t.Fatalf("units for matrices: %v, want %v", p.HasTensor(), want)
	}
	if !p.HasTensor() {
		return // as in the emulator
	}
	if err := p.Tensor(1); err != nil {
		t.Fatal(err)
	}
	// 16 products of one in each of a thread's four numbers of a tile.
	const want = 16 * 4 * tensorTiles * chainRounds * probeSteps
	for i, bits := range words(t, p, p.args.sums, int64(p.blocks[tensorKernel]*probeThreads)) {
		if got := math.Float32frombits(bits); got != want {
			t.Fatalf("thread %d ends with %v, want %v", i, got, want)
		}
	}
}

// TestProbeLaunches counts launches of nothing, and blocks at barriers.
func TestProbeLaunches(t *testing.T) {
	p, _ := opened(t, false)
	before := p.dev.Launches()
	if err := errors.Join(p.Launch(5), p.Barriers(2)); err != nil {
		t.Fatal(err)
	}
	if n := p.dev.Launches() - before; n != 7 {
		t.Errorf("%d launches, want five of nothing and two of barriers", n)
	}
	blocks := p.blocks["probe_barrier"]
	if got := words(t, p, p.arrived, 1)[0]; blocks < 1 || got != uint32(blocks*barrierRounds) {
		t.Errorf("%d blocks came to barriers, want %d in each of %d", got, blocks, barrierRounds)
	}
}

// TestProbeExchanges has blocks exchange vectors, again and again: the last ones say in which round they were made.
func TestProbeExchanges(t *testing.T) {
	dev := anyGPU(t, emulator.Options{Memory: 4 << 20, Capability: 80, SMs: 3})
	p, err := dev.newProbe(false)
	if err != nil {
		t.Fatal(err)
	}
	has := slices.ContainsFunc(p.Ceilings(), func(c plan.Ceiling) bool { return c.Name == plan.Exchanged })
	if want := capability(dev.info) >= tensorCapability; has != want {
		t.Fatalf("a ceiling of exchanges: %v, want %v", has, want)
	}
	if !has {
		return // as on an older GPU
	}
	if err := p.Exchanges(2); err != nil {
		t.Fatal(err)
	}
	for i, bits := range words(t, p, p.vectors, 2*exchanged) {
		if got, want := math.Float32frombits(bits), float32(exchangeRounds-1+i/exchanged); got != want {
			t.Fatalf("number %d is %v, want %v, that of its last round", i, got, want)
		}
	}
}

// TestProbeMemory has too little memory for a probe, and loses the GPU.
func TestProbeMemory(t *testing.T) {
	for want, o := range map[string]emulator.Options{
		"too few to measure its memory": {Memory: arrayShare*probeTile - 1},
		"cuLaunchKernel (probe_fill":    {FailLaunch: 1},
	} {
		dev, c := emulated(t, o)
		if _, err := dev.newProbe(true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if c.Used() != 0 && o.FailLaunch == 0 {
			t.Errorf("%d bytes are not freed", c.Used())
		}
	}
}

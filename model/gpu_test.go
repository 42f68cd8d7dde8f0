package model

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/model/demo"
	"qgo/model/synth"
	"qgo/quant"
)

// realGPU makes the tests of GPUs run on one, and whole; without it they run in
// the emulator, which takes minutes for what a GPU does in a second.
var realGPU = flag.Int("gpu", -1, "number of the GPU to test")

// beside has a test whose GPU is emulated run beside others: the emulator computes on one
// core. On a GPU tests run one at a time, since some look at its memory.
func beside(t *testing.T) {
	t.Helper()
	if *realGPU < 0 {
		t.Parallel()
	}
}

func emulated(t testing.TB, o emulator.Options) *cuda.Device {
	t.Helper()
	if *realGPU >= 0 {
		t.Skip("this test needs an emulated GPU")
	}
	// Made here and not in the function, which another goroutine calls: New may
	// skip the test.
	c := emulator.New(t, o)
	return device(t, func() (driver.Context, error) { return c, nil })
}

// anyGPU returns the GPU of the flag, or an emulated one, for which the test is
// too long where only short ones are to run.
func anyGPU(t testing.TB) *cuda.Device {
	t.Helper()
	if testing.Short() && *realGPU < 0 {
		t.Skip("takes long in the emulator")
	}
	if *realGPU >= 0 {
		return device(t, func() (driver.Context, error) { return driver.Open(*realGPU) })
	}
	return emulated(t, emulator.Options{})
}

func device(t testing.TB, open func() (driver.Context, error)) *cuda.Device {
	t.Helper()
	d, err := cuda.OpenContext(open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// greedy continues a prompt.
func greedy(t testing.TB, m *Model, prompt []int32, n int) []int32 {
	t.Helper()
	seq := []Seq{{KV: newKV(t, m, len(prompt)+n), Tokens: prompt, Greedy: n}}
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	return seq[0].Out
}

// TestGPUSplits cuts the model between CPU and GPU at every layer.
func TestGPUSplits(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	g := readGolden(t).Prompts[0]
	const n = 4
	for _, layers := range []int{1, 2, 5, 7, AllLayers} {
		m := tiny(t, Options{Device: dev, GPULayers: layers, Context: 64, MaxRows: 32, KV: "f32"})
		if got := greedy(t, m, g.IDs, n); !slices.Equal(got, g.Generated[:n]) {
			t.Errorf("%d layers on the GPU: %v, want %v (%s)", layers, got, g.Generated[:n], m.Placement())
		}
	}
}

// TestGPUFit gives the GPU less and less memory.
func TestGPUFit(t *testing.T) {
	o := Options{Context: 64, MaxRows: 32}
	whole := tiny(t, o)
	need := whole.gpuPlan().bytes(new(cuda.Device), whole.plan.Layers())
	for _, c := range []struct {
		memory    int64
		layers    int
		placement string // a part of it
		warning   string // a part of it; "" for none
	}{
		{need + reserveGPU, 0, "embedding, 6 blocks, head", ""},
		{need + reserveGPU, AllLayers, "embedding, 6 blocks, head", ""},
		{need + reserveGPU, 3, ": 2 blocks, head,", ""},
		// The head is the embedding: the GPU has it in any case.
		{need + reserveGPU - 1, 0, ": 5 blocks, head,", "6 of 8 layers fit"},
		{need/2 + reserveGPU, AllLayers, "; CPU: embedding, ", "layers fit into the free memory of cuda:0"},
		{reserveGPU, 0, "CPU", "too little free memory"},
		{1 << 20, 0, "CPU", "too little free memory"},
	} {
		var warnings []string
		o.Device, o.GPULayers = emulated(t, emulator.Options{Memory: c.memory}), c.layers
		o.Notify = func(text string) { warnings = append(warnings, text) }
		f, err := demo.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		announced, err := Place(f, o)
		if (err != nil) != (c.placement == "CPU") {
			t.Errorf("%d bytes: what would be placed: %v", c.memory, err)
		}
		m := tiny(t, o)
		if placed := m.Placement(); placed != announced || m.OnGPU() != (placed.GPULayers > 0) || m.OnCPU() != (placed.OnCPU != "") {
			t.Errorf("%d bytes, %d layers: %+v, announced was %+v", c.memory, c.layers, placed, announced)
		}
		warning := strings.Join(warnings, "\n")
		if !strings.Contains(m.Placement().String(), c.placement) || !strings.Contains(warning, c.warning) || c.warning == "" && warning != "" {
			t.Errorf("%d bytes, %d layers: %q with the warning %q, want %q and %q", c.memory, c.layers, m.Placement(), warning, c.placement, c.warning)
		}
	}
}

// TestGPULost loses the GPU while it decodes: the CPU goes on where it was.
func TestGPULost(t *testing.T) {
	beside(t)
	g := readGolden(t).Prompts[0]
	const n = 6
	for _, launch := range []int{1, 70, 100, 220} {
		var warnings []string
		o := Options{Context: 64, MaxRows: 32, Notify: func(text string) { warnings = append(warnings, text) }}
		o.Device, o.GPULayers = emulated(t, emulator.Options{FailLaunch: launch}), 3
		m := tiny(t, o)
		other := newKV(t, m, 64) // of another sequence
		first := []Seq{{KV: other, Tokens: g.IDs, Want: WantLast}}
		if err := m.Forward(context.Background(), first); err != nil {
			t.Fatal(err)
		}
		got := greedy(t, m, g.IDs, n)
		next := []Seq{{KV: other, Tokens: g.Generated[:1], Greedy: n - 1}}
		if err := m.Forward(context.Background(), next); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, g.Generated[:n]) || !slices.Equal(next[0].Out, g.Generated[1:n]) {
			t.Errorf("lost at launch %d: %v and %v, want %v", launch, got, next[0].Out, g.Generated[:n])
		}
		if m.OnGPU() || len(warnings) != 1 || !strings.Contains(warnings[0], "cuLaunchKernel") {
			t.Errorf("lost at launch %d: on %s, warnings %q", launch, m.Placement(), warnings)
		}
	}
}

// TestGPUCost checks that the work of GPU and CPU add up to that of the model.
func TestGPUCost(t *testing.T) {
	o := Options{Context: 64, MaxRows: 32}
	for _, layers := range []int{1, 3, AllLayers} {
		o.Device, o.GPULayers = emulated(t, emulator.Options{}), layers
		m := tiny(t, o)
		front, back := m.plan.Cut(max(m.plan.Layers()-layers, 0))
		rest := m.Cost().Sub(m.GPUCost())
		if m.GPUCost() != costOf(back, m.kvType) || rest != costOf(front, m.kvType) || m.GPUCost().Head == 0 || (rest.MACs == 0) != (layers == AllLayers) {
			t.Errorf("%d layers: the GPU does %+v, the CPU %+v", layers, m.GPUCost(), rest)
		}
	}
}

// TestGPUOptions checks the number of layers.
func TestGPUOptions(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Load(context.Background(), f, Options{GPULayers: -1}); err == nil || !strings.Contains(fmt.Sprint(err), "-1 layers on the GPU") {
		t.Errorf("-1 layers: %v", err)
	}
}

// TestGPULoadStops: a load to a GPU that is broken off fails so, and does not
// go on with the CPU.
func TestGPULoadStops(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var said []string
	m, err := Load(ctx, f, Options{
		Context: 64, Device: emulated(t, emulator.Options{}), Notify: func(text string) { said = append(said, text) },
		Progress: func(done, total int64) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || len(said) > 0 {
		if err == nil {
			m.Close()
		}
		t.Errorf("error %v, said %q", err, said)
	}
}

// TestGPULoadCutFile: a mapped file that is cut short while it is copied to a GPU makes that
// fail, and the CPU's kernels, too, if they have a copy of their own.
func TestGPULoadCutFile(t *testing.T) {
	mix, err := quant.ParseMix("q4_k_m")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.gguf")
	spec := synth.Spec{Shape: synth.Shape{Name: "small", Width: 256, FFN: 512, Blocks: 2, Heads: 4, KV: 2}, Mix: mix, Vocab: 1000, Seed: 1}
	if err := synth.Write(context.Background(), path, spec, nil); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var said []string
	m, err := Load(context.Background(), f, Options{
		Context: 64, Device: emulated(t, emulator.Options{}), GPULayers: AllLayers, Notify: func(text string) { said = append(said, text) },
		Progress: func(done, total int64) {
			if err := os.Truncate(path, 4096); err != nil {
				t.Error(err)
			}
		},
	})
	if err == nil {
		m.Close()
	}
	// Kernels that compute on weights as they are in the file do not read them here.
	if err != nil && !strings.Contains(err.Error(), "cut short") {
		t.Errorf("error %v", err)
	}
	if len(said) != 1 || !strings.Contains(said[0], path+": could not be read") {
		t.Errorf("said %q", said)
	}
}

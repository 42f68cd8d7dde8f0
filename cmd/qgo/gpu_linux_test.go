package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf"
	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/model"
)

// emulated returns an emulated GPU.
func emulated(t *testing.T, memory int64) *cuda.Device {
	t.Helper()
	c := emulator.New(t, emulator.Options{Memory: memory}) // by the test's own goroutine, which it may end
	d, err := cuda.OpenContext(func() (driver.Context, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestBenchGPU measures on an emulated GPU.
func TestBenchGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long in the emulator")
	}
	p := bench.Plan{
		Models: []string{demoFile}, Threads: []int{1}, Batches: []int{0}, Tests: []bench.Test{{Gen: 2}}, Reps: 1, Ceiling: time.Millisecond,
		Options: model.Options{Device: emulated(t, 192<<20)},
	}
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	printBench(&b, r)
	fits80(t, b.String())
	for _, want := range []string{
		"emulated GPU, 8 layers (CUDA)\nbatches of 66, f16 KV cache, CUDA kernels", "GPU      emulated GPU (cuda:0)", "compute  fp32 ", "a barrier of all blocks",
		"decode of godoc-tiny-q8_0.gguf (tg2) is bound by",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "thread") {
		t.Errorf("threads of the CPU, which computes nothing:\n%s", b.String())
	}
}

// TestInspectGPU asks for GPUs of several sizes what would be on them.
func TestInspectGPU(t *testing.T) {
	f, err := gguf.Open(demoFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		memory int64
		want   string
		layers int
	}{
		{1 << 30, "all on the GPU, ", 8},
		{140 << 20, "3 of 8 layers on the GPU, ", 3},
		{64 << 20, "all on the CPU, for the GPU cannot be used: it has too little free memory", 0},
	} {
		r := newReport(f)
		o := model.Options{Device: emulated(t, c.memory), Context: 512}
		config, memory, cost, err := model.Survey(f, o)
		if err != nil {
			t.Fatal(err)
		}
		r.Config, r.Memory, r.Cost = config, &memory, &cost
		r.place(o)
		var b bytes.Buffer
		r.print(&b, false, false)
		if !strings.Contains(b.String(), c.want) || !strings.Contains(b.String(), "GPU        cuda:0 (emulated GPU): ") || !strings.Contains(b.String(), "were all on the CPU") {
			t.Errorf("%d bytes: no %q in\n%s", c.memory, c.want, b.String())
		}
		if r.GPU.GPULayers != c.layers || r.GPU.Total != c.memory || r.GPU.GPUBytes > r.GPU.Free {
			t.Errorf("%d bytes: %+v, want %d layers", c.memory, r.GPU, c.layers)
		}
	}
}

// TestRooflineGPU measures an emulated GPU, and asks for one that is not there.
func TestRooflineGPU(t *testing.T) {
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rooflineReport{Model: s.Name, Cost: s.Cost}
	if err := r.measure(emulated(t, 8<<20)); err != nil {
		t.Fatal(err)
	}
	m, g := r.Machine, r.GPU
	if m.Name != "cuda:0" || m.Bandwidth != g.Read.Best || m.FP32 != g.Peaks[0].Best || m.FP16 != g.Peaks[1].Best || m.Memory != 8<<20 {
		t.Errorf("%+v of %+v", m, g)
	}
	r.Decode = []phase{{Bound: m.Bound(roofline.Decode(s.Cost, 0))}}
	var b bytes.Buffer
	r.print(&b, false)
	fits80(t, b.String())
	for _, want := range []string{"on emulated GPU", "so that 1000 kernels a token allow"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for args, want := range map[string]string{
		"--device cuda:0 --profile jetson-nano": "leave out --profile",
		"--device tpu":                          "--device is",
		"--device cuda:99":                      "",
	} {
		if code, out, errOut := qgo("", append([]string{"roofline"}, strings.Fields(args)...)...); code == 0 || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("qgo roofline %s: exit %d, %q, %q; want %q", args, code, out, errOut, want)
		}
	}
}

package model

import (
	"context"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
)

// TestGPUWiden wants batches as large as keep the GPU busy, unless the user chooses, there is too
// little memory or context for them, or the GPU is lost.
func TestGPUWiden(t *testing.T) {
	if *realGPU >= 0 {
		t.Skip("this test needs an emulated GPU")
	}
	whole := Options{GPULayers: AllLayers, Context: 4096}
	for _, c := range []struct {
		what   string
		gpu    emulator.Options
		change func(o *Options)
		want   int
	}{
		{"many multiprocessors", emulator.Options{SMs: 70, Capability: 80}, func(*Options) {}, 1024},
		{"as many as possible", emulator.Options{SMs: 132, Capability: 90}, func(*Options) {}, 2048},
		{"few", emulator.Options{SMs: 8, Capability: 80}, func(*Options) {}, DefaultMaxRows},
		{"an old GPU", emulator.Options{SMs: 70, Capability: 70}, func(*Options) {}, DefaultMaxRows},
		{"a short context", emulator.Options{SMs: 70, Capability: 80}, func(o *Options) { o.Context = 700 }, 700},
		{"a choice", emulator.Options{SMs: 70, Capability: 80}, func(o *Options) { o.MaxRows = 100 }, 100},
		{"exact", emulator.Options{SMs: 70, Capability: 80}, func(o *Options) { o.Exact = true }, DefaultMaxRows},
		{"a part", emulator.Options{SMs: 70, Capability: 80}, func(o *Options) { o.GPULayers = 3 }, DefaultMaxRows},
	} {
		o := whole
		o.Device = emulated(t, c.gpu)
		c.change(&o)
		m := tiny(t, o)
		if m.MaxRows() != c.want {
			t.Errorf("%s: batches of %d, want %d", c.what, m.MaxRows(), c.want)
		}
		placed, err := Place(m.File, o)
		if err != nil || placed.GPUBytes != m.Placement().GPUBytes {
			t.Errorf("%s: %d bytes are foretold, and %d are taken, %v", c.what, placed.GPUBytes, m.Placement().GPUBytes, err)
		}
		if c.want <= DefaultMaxRows {
			continue
		}
		// With memory for the usual batches, and not for these.
		o.Device, o.MaxRows = emulated(t, c.gpu), DefaultMaxRows
		usual, err := Place(m.File, o)
		if err != nil {
			t.Fatal(err)
		}
		gpu := c.gpu
		gpu.Memory = reserveGPU + (usual.GPUBytes+placed.GPUBytes)/2
		o.Device, o.MaxRows = emulated(t, gpu), 0
		if m := tiny(t, o); m.MaxRows() != min(DefaultMaxRows, o.Context) || m.OnCPU() {
			t.Errorf("%s, and little memory: batches of %d; %v", c.what, m.MaxRows(), m.Placement())
		}
	}
}

// TestGPUWidenLost wants the usual batches when the CPU goes on for a GPU.
func TestGPUWidenLost(t *testing.T) {
	if *realGPU >= 0 {
		t.Skip("this test needs an emulated GPU")
	}
	gpu := &losing{Context: emulator.New(t, emulator.Options{SMs: 70, Capability: 80})}
	m := tiny(t, Options{Device: device(t, func() (driver.Context, error) { return gpu, nil }), GPULayers: AllLayers, Context: 2048})
	if m.MaxRows() != 1024 {
		t.Fatalf("batches of %d", m.MaxRows())
	}
	gpu.lose(0)
	seq := []Seq{{KV: newKV(t, m, 64), Tokens: text(t, 5), Want: WantLast}}
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	if m.OnGPU() || m.MaxRows() != DefaultMaxRows {
		t.Errorf("on a GPU %v, batches of %d", m.OnGPU(), m.MaxRows())
	}
}

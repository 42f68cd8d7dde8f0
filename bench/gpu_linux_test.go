package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/model"
	"qgo/model/demo"
)

// emulated returns an emulated GPU.
func emulated(t *testing.T, o emulator.Options) (*cuda.Device, *emulator.Context) {
	t.Helper()
	c := emulator.New(t, o) // by the test's own goroutine, which it may end
	d, err := cuda.OpenContext(func() (driver.Context, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, c
}

// TestGPUCeilings measures an emulated GPU.
func TestGPUCeilings(t *testing.T) {
	dev, c := emulated(t, emulator.Options{Memory: 8 << 20})
	before := c.Used()
	g, err := MeasureGPU(dev, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if c.Used() != before {
		t.Errorf("%d bytes are not freed", c.Used()-before)
	}
	if g.Device != "cuda:0" || g.Name != "emulated GPU" || len(g.Peaks) != 2 || g.Peak() != g.Peaks[0] {
		t.Errorf("%+v", g)
	}
	for _, r := range []Rate{g.Read, g.Copy, g.Peaks[0].Rate, g.Peaks[1].Rate, g.Launches, g.Barriers} {
		if r.Passes < 3 || r.Median <= 0 || r.Best < r.Median {
			t.Errorf("%+v", r)
		}
	}
	if l := g.limits(); l.Bandwidth != g.Read.Best || l.Peak != g.Peak().Best || l.Launch != 1/g.Launches.Best {
		t.Errorf("limits %+v of %+v", l, g)
	}
	lost, _ := emulated(t, emulator.Options{Memory: 8 << 20, FailLaunch: 3})
	if _, err := MeasureGPU(lost, time.Millisecond); err == nil || !strings.Contains(err.Error(), "cuLaunchKernel") {
		t.Errorf("a GPU that is lost: %v", err)
	}
}

// TestRunGPU measures the demonstration model on an emulated GPU, whole and in
// parts, and checks that it is judged by what computes it.
func TestRunGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long in the emulator")
	}
	for _, layers := range []int{model.AllLayers, 4} {
		dev, c := emulated(t, emulator.Options{Memory: 192 << 20})
		before := c.Used()
		p := planOf(Test{Prompt: 4}, Test{Gen: 2, Depth: 2})
		split := layers == 4
		if split {
			p.Tests = append(p.Tests, Test{Scenario: "chat", Prompt: 1, Gen: 3})
		}
		p.Options.Device, p.Options.GPULayers, p.Reps = dev, layers, 1
		r, err := p.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if c.Used() != before {
			t.Errorf("%d bytes are not freed", c.Used()-before)
		}
		if r.GPU == nil || (len(r.Ceilings) == 1) != split || len(r.Results) != len(p.Tests) {
			t.Fatalf("GPU %+v, ceilings of the CPU %+v, %d results", r.GPU, r.Ceilings, len(r.Results))
		}
		for _, res := range r.Results {
			name := res.Test().Name()
			if res.Backends != "CUDA" || res.GPUInfo != "emulated GPU" || res.GPULayers != min(layers, 8) || !res.OnGPU() || res.onCPU() != split {
				t.Errorf("%s: %s, %s, %d layers", name, res.Backends, res.GPUInfo, res.GPULayers)
			}
			for _, rep := range res.Reps {
				if rep.Before <= 0 || rep.After <= 0 || (rep.CPUBefore > 0) != split || (rep.CPUAfter > 0) != split {
					t.Errorf("%s: probes %+v", name, rep)
				}
			}
			if (len(res.Measured.Parts) == 2) != split || res.OfMeasured <= 0 || res.Impossible {
				t.Errorf("%s: %+v", name, res.Measured)
			}
		}
		// 9 kernels a block (10 where attention is cut, which it is not so
		// early), two of the head, and the embedding's: 6 blocks and 3 of them.
		want := 6.0*9 + 2 + 1
		if split {
			want = 3*9 + 2
		}
		for _, res := range r.Results {
			got := res.Launches
			if !res.Decodes() {
				got *= float64(res.Prompt)
			}
			want := want
			if res.Scenario != "" {
				want += 2 // a chat asks for the largest logits
			}
			if got != want {
				t.Errorf("%s: %v launches, want %v", res.Test().Name(), got, want)
			}
		}
	}
}

// TestGPULost loses the GPU in the middle of a test: no rate of what the CPU did
// is called the GPU's.
func TestGPULost(t *testing.T) {
	// After the warm-up's 8 tokens of 75 kernels, and in the first repetition.
	dev, _ := emulated(t, emulator.Options{Memory: 192 << 20, FailLaunch: 1500})
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Threads: 1, Context: 64, MaxRows: 16, Device: dev})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := &Runner{Model: m, Reps: 2}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	res, err := r.Run(context.Background(), Test{Gen: 40})
	if err == nil || !strings.Contains(err.Error(), "tg40: the GPU failed") || res != nil {
		t.Errorf("%+v, error %v", res, err)
	}
	if err := r.Close(); err == nil {
		t.Error("a lost GPU freed its memory")
	}
}

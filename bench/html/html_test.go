package html

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels/plan"
	"qgo/model"
)

// report makes a report with all there can be: both phases, scenarios, another
// engine, sensors.
func report(t *testing.T) *bench.Report {
	t.Helper()
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	s, err := roofline.OutlineByName("0.5b:q4_0", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &bench.Report{
		Schema: bench.Schema, Started: time.Unix(1e9, 0), Machine: machine.Info{Board: "Test <board>", CPU: "CPU & more"}, Reference: *nano,
		Ceilings: []*bench.Ceilings{{Threads: 4, Read: bench.Rate{Best: 20e9}, Peaks: []bench.PeakRate{{Type: "fp32", Rate: bench.Rate{Best: 45e9}}}}},
		Warnings: []string{"<script>alert(1)</script>"},
	}
	r.Series.Zones = []machine.Zone{{Name: "CPU-therm", Passive: 70}}
	r.Series.Rails = []machine.Rail{{Name: "POM_5V_IN", Total: true}}
	for i := range 20 {
		r.Series.Samples = append(r.Series.Samples, machine.Sample{
			At: time.Duration(i) * time.Second, CPU: 0.9, Clock: 1.43e9 - 1e7*float64(i), Temps: []float64{40 + float64(i)}, Watts: []float64{5},
		})
	}
	tests := append([]bench.Test{{Prompt: 512}, {Gen: 128}}, bench.Scenarios...)
	for i, test := range tests {
		for _, engine := range []string{"qgo", "llama.cpp"} {
			res := &bench.Result{
				Engine: engine, ModelFilename: "qwen2.5-0.5b-q4_0.gguf", ModelType: "qwen2", ModelSize: s.Size(), Cost: &s.Cost,
				Threads: 4, Batch: 512, Prompt: test.Prompt, Gen: test.Gen, Scenario: test.Scenario,
			}
			for j := range 3 {
				rep := bench.Rep{Start: time.Duration(3*i+j) * time.Second, NS: 9e8, Before: 20e9, After: 19e9, Prompt: test.Prompt, Gen: test.Gen}
				for k := range test.Gen {
					rep.Gaps = append(rep.Gaps, int64(2e7+1e5*float64(k%10)))
				}
				if test.Scenario != "" {
					rep.TTFT = 3e8
				}
				res.Reps = append(res.Reps, rep)
			}
			res.Summarise(bench.Limits{CPU: roofline.Limits{Peak: 45e9}}, *nano)
			r.Results = append(r.Results, res)
		}
	}
	return r
}

func TestPage(t *testing.T) {
	r := report(t)
	var b bytes.Buffer
	if err := Write(&b, []*bench.Report{r, r}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, title := range []string{
		"Roofline", "Time to first token and model size", "Decode and model size", "Platforms and engines", "Memory and performance",
		"Distribution of inter-token latencies", "Scenarios and models", "Bandwidth during the run", "Temperature and clock over time", "Power over time",
	} {
		if !strings.Contains(page, "<h2>"+title+"</h2>") {
			t.Errorf("no plot %q", title)
		}
	}
	for _, want := range []string{"Test &lt;board&gt;", "CPU &amp; more", "context-heavy", "CPU-therm"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"<script", "<link", "src=", "url(", "@import", "href=", "NaN"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	// Every plot is well-formed.
	for i, part := range strings.Split(page, "<svg")[1:] {
		svg, _, ok := strings.Cut(part, "</svg>")
		d := xml.NewDecoder(strings.NewReader("<svg" + svg + "</svg>"))
		elements := 0
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil || !ok {
				t.Fatalf("plot %d: %v", i, err)
			}
			if _, start := token.(xml.StartElement); start {
				elements++
			}
		}
		if elements < 20 {
			t.Errorf("plot %d has %d elements", i, elements)
		}
	}
}

// TestGPUPage names the GPU in the page's text and in the titles of its plots.
func TestGPUPage(t *testing.T) {
	r := report(t)
	r.GPU = &bench.GPUCeilings{
		Device: "cuda:0", DeviceInfo: plan.DeviceInfo{Name: "GPU <7>", Major: 9, SMs: 132, Memory: 80e9}, Read: bench.Rate{Best: 3e12, Median: 2.9e12}, Copy: bench.Rate{Best: 2.5e12},
		Peaks: []bench.PeakRate{{Type: "fp32", Rate: bench.Rate{Best: 60e12}}}, Launches: bench.Rate{Best: 500e3}, Barriers: bench.Rate{Best: 800e3},
	}
	for _, res := range r.Results {
		res.Backends, res.GPUInfo, res.GPULayers, res.GPUCost = "CUDA", r.GPU.Name, 26, res.Cost
	}
	var b bytes.Buffer
	if err := Write(&b, []*bench.Report{r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GPU &lt;7&gt; (cuda:0), compute capability 9.0, 132 multiprocessors, 80.00 GB: read 3000.0, copy 2500.0 GB/s at best (median of reading 2900.0)",
		"peaks fp32 60000.0 GOP/s; a launch takes 2.00 µs, a barrier of all blocks 1.25 µs", "<h2>Roofline, on GPU &lt;7&gt;</h2>",
		"GPU &lt;7&gt;, 26 layers</td>", "3000 GB/s, 60000 GFLOP/s fp32, GPU &lt;7&gt;",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestSparse makes pages of reports with little in them.
func TestSparse(t *testing.T) {
	full := report(t)
	for _, r := range []*bench.Report{
		{Results: []*bench.Result{{Engine: "llama.cpp", Gen: 128, ModelFilename: "x", AvgTS: 5, Summary: bench.Summary{MedianTS: 5}}}},
		{Machine: full.Machine, Results: full.Results[:1]},
		{Results: []*bench.Result{full.Results[4]}, Interrupted: true},
	} {
		var b bytes.Buffer
		if err := Write(&b, []*bench.Report{r}); err != nil || b.Len() < 1000 {
			t.Errorf("%d bytes, %v", b.Len(), err)
		}
	}
	if err := Write(io.Discard, nil); err == nil {
		t.Error("a page of nothing")
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{{0, 7, "0 1 2 3 4 5 6 7"}, {0, 35, "0 5 10 15 20 25 30 35"}, {0, 0.026, "0 0.005 0.01 0.015 0.02 0.025"}, {990, 1100, "1000 1020 1040 1060 1080 1100"}} {
		var labels []string
		for _, tick := range (ticks{}).Ticks(c.lo, c.hi) {
			if math.IsNaN(tick.Value) {
				t.Error("NaN")
			}
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("from %v to %v: %s, want %s", c.lo, c.hi, got, c.want)
		}
	}
}

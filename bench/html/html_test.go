package html

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
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
// engine, two models, sensors.
func report(t *testing.T) *bench.Report {
	t.Helper()
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	r := &bench.Report{
		Schema: bench.Schema, Started: time.Unix(1e9, 0), Machine: machine.Info{Board: "Test <board>", CPU: "CPU & more"}, Reference: *nano,
		Ceilings: []*bench.Ceilings{{Threads: 4, Read: bench.Rate{Best: 20e9}, Peaks: []bench.PeakRate{{Type: "fp32", Rate: bench.Rate{Best: 4500e9}}}}}, // as in result
		Warnings: []string{"<script>alert(1)</script>"},
	}
	r.Series.Zones = []machine.Zone{{Name: "CPU-therm", Passive: 55}}
	r.Series.Rails = []machine.Rail{{Name: "POM_5V_IN", Total: true}}
	for i := range 20 {
		r.Series.Samples = append(r.Series.Samples, machine.Sample{
			At: time.Duration(i) * time.Second, CPU: 0.9, Clock: 1.43e9 - 1e7*float64(i), Temps: []float64{40 + float64(i)}, Watts: []float64{5},
		})
	}
	tests := append([]bench.Test{{Prompt: 512}, {Gen: 128}}, bench.Scenarios...)
	for i, name := range []string{"0.5b:q4_0", "1.5b:q4_0"} {
		for _, test := range tests {
			for _, engine := range []string{"qgo", "llama.cpp"} {
				r.Results = append(r.Results, result(t, name, test, engine, 4, 512, 3*i))
			}
		}
	}
	return r
}

// outlines are those that were made, by name.
var outlines = map[string]*roofline.Survey{}

// result is one of an outline's model, with three repetitions whose memory
// reads 20 GB/s.
func result(t *testing.T, outline string, test bench.Test, engine string, threads, batch, start int) *bench.Result {
	t.Helper()
	s := outlines[outline]
	if s == nil {
		var err error
		if s, err = roofline.OutlineByName(outline, model.Options{}); err != nil {
			t.Fatal(err)
		}
		outlines[outline] = s
	}
	res := &bench.Result{
		Engine: engine, ModelFilename: "dir/qwen2.5-" + strings.ReplaceAll(outline, ":", "-") + ".gguf", ModelType: "qwen2", ModelSize: s.Size(), Cost: &s.Cost,
		CPUInfo: "CPU & more", Backends: "CPU", TypeK: "f16", TypeV: "f16",
		Threads: threads, Batch: batch, Prompt: test.Prompt, Gen: test.Gen, Depth: test.Depth, Scenario: test.Scenario,
	}
	tokens := float64(test.Prompt) + 4*float64(test.Gen)
	for j := range 3 {
		ns := int64(tokens * 8e7 / float64(threads) * (1 + 0.01*float64(j)))
		rep := bench.Rep{Start: time.Duration(start+j) * time.Second, NS: ns, Before: 20e9, After: 19e9, Prompt: test.Prompt, Gen: test.Gen}
		for k := range test.Gen {
			rep.Gaps = append(rep.Gaps, int64((3.2e8+4e5*float64(k%10))/float64(threads)))
		}
		if test.Scenario != "" {
			rep.TTFT = 3e8
		}
		res.Reps = append(res.Reps, rep)
	}
	nano, err := roofline.ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	res.Summarise(bench.Limits{CPU: roofline.Limits{Peak: 4500e9}}, *nano)
	return res
}

// ownScripts are the page's two, which are always the same.
var ownScripts = regexp.MustCompile(`(?s)<script id="(plot|charts)">.*?</script>`)

// written is a page without its own scripts, and the data of its charts.
func written(t *testing.T, reports []*bench.Report, names ...string) (page string, charts []*chart) {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, reports, names...); err != nil {
		t.Fatal(err)
	}
	page = b.String()
	if n := len(ownScripts.FindAllString(page, -1)); n != 2 {
		t.Fatalf("%d scripts, want 2", n)
	}
	page = ownScripts.ReplaceAllString(page, "")
	_, data, _ := strings.Cut(page, `<script id="data" type="application/json">`)
	data, _, ok := strings.Cut(data, "</script>")
	if err := json.Unmarshal([]byte(data), &charts); err != nil || !ok {
		t.Fatalf("the charts' data: %v", err)
	}
	return page, charts
}

// titled is the chart with a title.
func titled(t *testing.T, charts []*chart, title string) *chart {
	t.Helper()
	for _, c := range charts {
		if c.Title == title {
			return c
		}
	}
	t.Fatalf("no chart %q", title)
	return nil
}

// names are those of a chart's series.
func names(c *chart) (all []string) {
	for _, s := range c.Series {
		all = append(all, s.Name)
	}
	return all
}

func TestPage(t *testing.T) {
	page, charts := written(t, []*bench.Report{report(t)})
	for _, title := range []string{
		"Platforms and engines", "Roofline", "Memory and performance", "Decode and model size", "Time to first token and model size",
		"Distribution of inter-token latencies", "Scenarios and models", "Bandwidth during the run", "Temperature over time", "Clock and use over time", "Power over time",
	} {
		titled(t, charts, title)
		if strings.Count(page, "<h2>"+title+"</h2>") != 1 {
			t.Errorf("no heading %q", title)
		}
	}
	for _, want := range []string{"Test &lt;board&gt;", "CPU &amp; more", "context-heavy", "CPU-therm", "<noscript>", "default-src 'none'"} {
		if !strings.Contains(strings.ReplaceAll(page, "&#39;", "'"), want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"<link", "src=", "url(", "@import", "href=", "NaN", "0 threads", "1 threads", "unknown"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	var whole bytes.Buffer
	if err := Write(&whole, []*bench.Report{report(t)}); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{plotJS, chartsJS} { // as they are hashed
		if !bytes.Contains(whole.Bytes(), []byte(script)) || strings.Contains(script, "</script") || !bytes.Contains(whole.Bytes(), []byte(strings.NewReplacer("'", "&#39;", "+", "&#43;").Replace(hash(script)))) {
			t.Error("a script differs from what the policy allows")
		}
	}
	if !strings.Contains(plotJS, "Copyright") || !strings.Contains(plotJS, "Permission to use") {
		t.Error("the library is without its licence")
	}
}

// TestGPUPage names the GPU in the page's text and in the titles of its plots.
func TestGPUPage(t *testing.T) {
	r := report(t)
	r.GPU = &bench.GPUCeilings{
		Device: "cuda:0", DeviceInfo: plan.DeviceInfo{Name: "GPU <7>", Major: 9, SMs: 132, Memory: 80e9}, Read: bench.Rate{Best: 3e12, Median: 2.9e12}, Copy: bench.Rate{Best: 2.5e12},
		Peaks: []bench.PeakRate{{Type: "fp32", Rate: bench.Rate{Best: 60e12}}}, Launches: bench.Rate{Best: 500e3}, Barriers: bench.Rate{Best: 800e3}, Exchanges: &bench.Rate{Best: 400e3},
	}
	for _, res := range r.Results {
		res.Backends, res.GPUInfo, res.GPULayers, res.GPUCost = "CUDA", r.GPU.Name, 26, res.Cost
	}
	page, charts := written(t, []*bench.Report{r})
	for _, want := range []string{
		"GPU &lt;7&gt; (cuda:0), compute capability 9.0, 132 multiprocessors, 80.00 GB: read 3000.0, copy 2500.0 GB/s at best (median of reading 2900.0)",
		"peaks fp32 60000 GOP/s; a launch takes 2.00 µs, a barrier of all blocks 1.25 µs, an exchange of a vector 2.50 µs.", "device GPU &lt;7&gt;, 26 layers",
		"decode is bound by what the GPU&#39;s memory reads",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if got := strings.Join(names(titled(t, charts, "Roofline, GPU <7>")), "; "); !strings.Contains(got, "GPU <7>: fp32 60000 GFLOP/s, 3000 GB/s") {
		t.Errorf("the roofs are %s", got)
	}
	two, charts := written(t, []*bench.Report{r, report(t)}, "a/one.json", "two.json")
	titled(t, charts, "Roofline, Test <board>, CPU & more, GPU <7> (one.json)")
	titled(t, charts, "Roofline, Test <board>, CPU & more (two.json)")
	if !strings.Contains(two, "File one.json") || !strings.Contains(two, "File two.json") {
		t.Error("the sections do not name their files")
	}
}

// TestEnergyOfRequests says what the energy of a token is of, and shows gaps of less than a millisecond by two digits.
func TestEnergyOfRequests(t *testing.T) {
	const note = "J/token of requests: the tokens of their prompts count, too."
	r := report(t)
	last := r.Results[len(r.Results)-1]
	last.JoulesPerToken, last.Reps = 0.25, []bench.Rep{{Gen: 4}}
	if page, _ := written(t, []*bench.Report{r}); strings.Contains(page, note) {
		t.Error("a note about requests where there are none")
	}
	last.Reps, last.ITL = []bench.Rep{{Prompt: 4, Gen: 4}}, &bench.Percentiles{P50: 0.384, P99: 0.4149}
	page, _ := written(t, []*bench.Report{r})
	for _, want := range []string{note, ">0.38<", ">0.41<"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestSparse makes pages of reports with little in them.
func TestSparse(t *testing.T) {
	full := report(t)
	for _, r := range []*bench.Report{
		{Results: []*bench.Result{{Engine: "llama.cpp", Gen: 128, ModelFilename: "x", AvgTS: 5, SamplesTS: bench.Sample{5}, Summary: bench.Summary{MedianTS: 5}}}},
		{Machine: full.Machine, Results: full.Results[:1]},
		{Results: []*bench.Result{full.Results[4]}, Interrupted: true},
	} {
		written(t, []*bench.Report{r})
	}
	if err := Write(io.Discard, nil); err == nil {
		t.Error("a page of nothing")
	}
}

// TestTable has a column for all that varies, and shows nothing where nothing is
// known.
func TestTable(t *testing.T) {
	r := &bench.Report{Machine: machine.Info{CPU: "CPU & more"}}
	for _, threads := range []int{1, 2} {
		for _, batch := range []int{64, 512} {
			r.Results = append(r.Results, result(t, "0.5b:q4_0", bench.Test{Prompt: 64}, "qgo", threads, batch, 0))
		}
	}
	once := *r.Results[0]
	once.Engine, once.Threads, once.Batch, once.TypeK, once.TypeV = "server", 0, 0, "", ""
	once.Reps, once.SamplesTS, once.Summary = once.Reps[:1], once.SamplesTS[:1], bench.Summary{MedianTS: 12.5}
	r.Results = append(r.Results, &once)
	s := newSection(r, runs([]*bench.Report{r}, nil), "", limits{rows: 100})
	var heads []string
	for _, h := range s.Heads {
		heads = append(heads, h.Text)
	}
	if got, want := strings.Join(heads, "|"), "test|engine|threads|batch|KV cache|t/s|±|GB/s|GFLOP/s|bound, t/s|of it"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	if s.Common != "model qwen2.5-0.5b-q4_0" {
		t.Errorf("all have %q", s.Common)
	}
	text := func(row row) string {
		var all []string
		for _, c := range row.Cells {
			all = append(all, c.Text)
		}
		return strings.Join(all, "|")
	}
	if got, want := text(s.Rows[4]), "pp64|server||||12.5|||||"; got != want {
		t.Errorf("what is unknown is shown: %s, want %s", got, want)
	}
	seen := map[string]bool{}
	for _, row := range s.Rows[:4] {
		seen[strings.Join(strings.Split(text(row), "|")[:5], "|")] = true
	}
	if len(seen) != 4 || !seen["pp64|qgo|1|64|f16"] || !seen["pp64|qgo|2|512|f16"] {
		t.Errorf("rows %v", seen)
	}
}

// TestBounds says what binds a model once for all tests that the same binds.
func TestBounds(t *testing.T) {
	r := &bench.Report{Machine: machine.Info{CPU: "CPU & more"}}
	for _, outline := range []string{"0.5b:q4_0", "1.5b:q4_0"} {
		for _, threads := range []int{1, 2} {
			for _, test := range []bench.Test{{Gen: 16}, {Gen: 16, Depth: 256}} {
				r.Results = append(r.Results, result(t, outline, test, "qgo", threads, 64, 0))
			}
		}
	}
	got := boundTexts(runs([]*bench.Report{r}, nil), limits{bounds: 10})
	if len(got) != 2 {
		t.Fatalf("%d texts: %q", len(got), got)
	}
	const want = "qwen2.5-0.5b-q4_0: decode is bound by what memory reads in tg16, tg16 @ d256; 1 thread, 2 threads: "
	if !strings.HasPrefix(got[0], want) || !strings.HasSuffix(got[0], "(least in 1 thread)") && !strings.HasSuffix(got[0], "(least in tg16, 1 thread)") {
		t.Errorf("%q, want %q", got[0], want)
	}
	if more := boundTexts(runs([]*bench.Report{r}, nil), limits{bounds: 1}); len(more) != 2 || more[1] != "1 group more are in the table" {
		t.Errorf("%q", more)
	}
}

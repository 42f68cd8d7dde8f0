// Package format writes reports in the forms that other tools read.
package format

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"qgo/bench"
	"qgo/gguf/show"
)

// Names are those of all formats.
var Names = []string{"json", "jsonl", "csv", "md", "benchstat"}

// Write writes a report in one of [Names].
func Write(w io.Writer, r *bench.Report, name string) error {
	switch name {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	case "jsonl":
		return writeJSONL(w, r)
	case "csv":
		return writeCSV(w, r)
	case "md":
		return writeMarkdown(w, r)
	case "benchstat":
		return writeBenchstat(w, r)
	}
	return fmt.Errorf("no format %q; there are %s", name, strings.Join(Names, ", "))
}

// writeJSONL writes one result a line, as llama-bench does.
func writeJSONL(w io.Writer, r *bench.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, res := range r.Results {
		line := struct {
			Schema string `json:"schema"`
			*bench.Result
		}{r.Schema, res}
		if err := e.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// column is a column of the CSV form.
type column struct {
	name  string
	value func(r *bench.Result) any
}

var columns = []column{
	{"build_commit", func(r *bench.Result) any { return r.BuildCommit }},
	{"cpu_info", func(r *bench.Result) any { return r.CPUInfo }},
	{"gpu_info", func(r *bench.Result) any { return r.GPUInfo }},
	{"backends", func(r *bench.Result) any { return r.Backends }},
	{"model_filename", func(r *bench.Result) any { return r.ModelFilename }},
	{"model_type", func(r *bench.Result) any { return r.ModelType }},
	{"model_size", func(r *bench.Result) any { return r.ModelSize }},
	{"model_n_params", func(r *bench.Result) any { return r.ModelParams }},
	{"n_batch", func(r *bench.Result) any { return r.Batch }},
	{"n_threads", func(r *bench.Result) any { return r.Threads }},
	{"n_gpu_layers", func(r *bench.Result) any { return r.GPULayers }},
	{"type_k", func(r *bench.Result) any { return r.TypeK }},
	{"type_v", func(r *bench.Result) any { return r.TypeV }},
	{"n_prompt", func(r *bench.Result) any { return r.Prompt }},
	{"n_gen", func(r *bench.Result) any { return r.Gen }},
	{"n_depth", func(r *bench.Result) any { return r.Depth }},
	{"test_time", func(r *bench.Result) any { return r.TestTime.Format(time.RFC3339) }},
	{"avg_ns", func(r *bench.Result) any { return int64(r.AvgNS) }},
	{"stddev_ns", func(r *bench.Result) any { return int64(r.StddevNS) }},
	{"avg_ts", func(r *bench.Result) any { return r.AvgTS }},
	{"stddev_ts", func(r *bench.Result) any { return r.StddevTS }},
	{"engine", func(r *bench.Result) any { return r.Engine }},
	{"kernels", func(r *bench.Result) any { return r.Kernels }},
	{"scenario", func(r *bench.Result) any { return r.Scenario }},
	{"median_ts", func(r *bench.Result) any { return r.MedianTS }},
	{"prefill_ts", func(r *bench.Result) any { return r.PrefillTS }},
	{"decode_ts", func(r *bench.Result) any { return r.DecodeTS }},
	{"gb_per_second", func(r *bench.Result) any { return r.GBS }},
	{"gflop_per_second", func(r *bench.Result) any { return r.GFLOPS }},
	{"share_of_measured", func(r *bench.Result) any { return r.OfMeasured }},
	{"share_of_given", func(r *bench.Result) any { return r.OfGiven }},
	{"ttft_ms_p50", func(r *bench.Result) any { return median(r.TTFT) }},
	{"itl_ms_p50", func(r *bench.Result) any { return median(r.ITL) }},
	{"itl_ms_p99", func(r *bench.Result) any {
		if r.ITL == nil {
			return ""
		}
		return r.ITL.P99
	}},
	{"ttlt_ms_p50", func(r *bench.Result) any { return median(r.TTLT) }},
	{"joules_per_token", func(r *bench.Result) any { return r.JoulesPerToken }},
	{"launches_per_token", func(r *bench.Result) any { return r.Launches }},
	{"incomplete", func(r *bench.Result) any { return r.Incomplete }},
}

func median(p *bench.Percentiles) any {
	if p == nil {
		return ""
	}
	return p.P50
}

func writeCSV(w io.Writer, r *bench.Report) error {
	out := csv.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.name
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for _, res := range r.Results {
		for i, c := range columns {
			switch v := c.value(res).(type) {
			case float64:
				row[i] = strconv.FormatFloat(v, 'g', 8, 64)
			default:
				row[i] = show.Lines(fmt.Sprint(v)) // whole: it is read again
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// writeMarkdown writes llama-bench's table with the shares of the bounds, and,
// where there is one, with the GPU.
func writeMarkdown(w io.Writer, r *bench.Report) error {
	var b strings.Builder
	gpus := slices.ContainsFunc(r.Results, (*bench.Result).OnGPU)
	gpuColumns := func(text string) string {
		if gpus {
			return text
		}
		return ""
	}
	fmt.Fprintf(&b, "| model | size | params | engine | %sthreads | test | t/s | GB/s | of bound |\n", gpuColumns("backend | gpu | ngl | "))
	fmt.Fprintf(&b, "| --- | ---: | ---: | --- | %s---: | --- | ---: | ---: | ---: |\n", gpuColumns("--- | --- | ---: | "))
	for _, res := range r.Results {
		rate, spread := res.AvgTS, res.StddevTS
		if res.Scenario != "" {
			rate, spread = res.DecodeTS, 0
		}
		share := ""
		if res.Measured != nil {
			share = fmt.Sprintf("%.0f %%", 100*res.OfMeasured)
		}
		name := cell(res.Test().Name())
		if res.Incomplete {
			name += " (incomplete)"
		}
		on := gpuColumns(fmt.Sprintf("%s | %s | %d | ", cell(res.Backends), cell(res.GPUInfo), res.GPULayers))
		fmt.Fprintf(&b, "| %s | %.2f MiB | %.2f M | %s | %s%d | %s | %.2f ± %.2f | %.1f | %s |\n",
			cell(modelName(res)), float64(res.ModelSize)/(1<<20), float64(res.ModelParams)/1e6, cell(res.Engine), on, res.Threads, name, rate, spread, res.GBS, share)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is a text that does not end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(show.Text(s), "|", `\|`) }

func modelName(r *bench.Result) string {
	if r.ModelType != "" {
		return r.ModelType
	}
	return filepath.Base(r.ModelFilename)
}

// writeBenchstat writes the form of Go's benchmarks, one line a repetition, so
// that benchstat can compare files.
func writeBenchstat(w io.Writer, r *bench.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\ncpu: %s\n", show.Text(r.Machine.OS), show.Text(r.Machine.Arch), show.Text(r.Machine.CPU))
	gpu := ""
	for _, res := range r.Results {
		if on := res.GPUInfo; on != gpu { // holds for the lines that follow
			gpu = on
			fmt.Fprintf(&b, "gpu: %s\n", show.Text(gpu))
		}
		phase := "Prefill"
		if res.Decodes() {
			phase = "Decode"
		}
		name := fmt.Sprintf("Benchmark%s/model=%s/test=%s/engine=%s-%d", phase, word(modelName(res)), word(res.Test().Name()), word(res.Engine), res.Threads)
		for i, ns := range res.SamplesNS {
			fmt.Fprintf(&b, "%s 1 %d ns/op %.4f tokens/s", name, ns, res.SamplesTS[i])
			if i < len(res.Reps) && res.Reps[i].TTFT > 0 {
				fmt.Fprintf(&b, " %.3f TTFT-ms", float64(res.Reps[i].TTFT)/1e6)
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// word is a text without spaces and slashes.
func word(s string) string {
	return strings.NewReplacer(" ", "_", "/", "_", "@", "at").Replace(show.Text(s))
}

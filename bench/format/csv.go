package format

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"qgo/bench"
	"qgo/gguf/show"
)

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
	{"test_time", testTime},
	{"avg_ns", func(r *bench.Result) any { return int64(r.AvgNS) }},
	{"stddev_ns", func(r *bench.Result) any { return deviation(r, float64(int64(r.StddevNS))) }},
	{"avg_ts", func(r *bench.Result) any { return r.AvgTS }},
	{"stddev_ts", func(r *bench.Result) any { return deviation(r, r.StddevTS) }},
	{"engine", func(r *bench.Result) any { return r.Engine }},
	{"kernels", func(r *bench.Result) any { return r.Kernels }},
	{"no_repack", func(r *bench.Result) any { return r.NoRepack }},
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
	{"power_mode", func(r *bench.Result) any { return r.PowerMode }},
	{"joules_per_token", func(r *bench.Result) any { return r.JoulesPerToken }},
	{"launches_per_token", func(r *bench.Result) any { return r.Launches }},
	{"exchanges_per_token", func(r *bench.Result) any { return r.Exchanges }},
	{"incomplete", func(r *bench.Result) any { return r.Incomplete }},
}

func median(p *bench.Percentiles) any {
	if p == nil {
		return ""
	}
	return p.P50
}

func testTime(r *bench.Result) any {
	if r.TestTime.IsZero() {
		return ""
	}
	return r.TestTime.Format(time.RFC3339)
}

// deviation is a standard deviation, empty for one repetition, which has none.
func deviation(r *bench.Result, v float64) any {
	if len(r.SamplesTS) < 2 {
		return v // which another tool may have computed, or 0
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}

// zeros are the columns in which 0 is a number and not one that is not known.
var zeros = []string{"n_gpu_layers", "n_prompt", "n_gen", "n_depth"}

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
			v := c.value(res)
			row[i] = show.Lines(fmt.Sprint(v)) // whole: it is read again
			if f, ok := v.(float64); ok {
				row[i] = strconv.FormatFloat(f, 'g', 8, 64)
			}
			if row[i] == "0" && reflect.ValueOf(v).IsZero() && !slices.Contains(zeros, c.name) {
				row[i] = ""
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

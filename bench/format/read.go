package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"qgo/bench"
)

// maxFile is the largest file of results that is read.
const maxFile = 1 << 30

// ReadFile reads results from a file: qgo's (json, jsonl, csv) or those of
// llama-bench (json, jsonl, csv, md).
func ReadFile(path string) (*bench.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	r, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Read reads results in any of the forms, which it tells apart.
func Read(data []byte) (*bench.Report, error) {
	data = bytes.TrimSpace(data)
	var results []*bench.Result
	var err error
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("is empty, expected results of qgo bench or llama-bench")
	case data[0] == '[':
		err = json.Unmarshal(data, &results)
	case data[0] == '{':
		if r, ok, err := readReport(data); ok || err != nil {
			return r, err
		}
		results, err = readJSONL(data)
	case data[0] == '|':
		results, err = readMarkdown(data)
	default:
		results, err = readCSV(data)
	}
	if err != nil {
		return nil, err
	}
	r := &bench.Report{Schema: bench.Schema, Results: results}
	if err := complete(r); err != nil {
		return nil, err
	}
	first := r.Results[0]
	r.Machine.CPU, r.Started = first.CPUInfo, first.TestTime
	return r, nil
}

// readReport reads qgo's own form; false if data is in another one.
func readReport(data []byte) (*bench.Report, bool, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	var probe struct {
		Schema  string           `json:"schema"`
		Results *json.RawMessage `json:"results"`
	}
	if err := d.Decode(&probe); err != nil {
		return nil, false, err
	}
	if probe.Results == nil {
		return nil, false, nil
	}
	if probe.Schema != bench.Schema {
		return nil, false, fmt.Errorf("has the schema %q, expected %q", probe.Schema, bench.Schema)
	}
	var r bench.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, false, err
	}
	return &r, true, complete(&r)
}

func readJSONL(data []byte) (all []*bench.Result, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var r *bench.Result
		if err := d.Decode(&r); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}

// readCSV reads a table whose columns have the names of JSON's fields.
func readCSV(data []byte) (all []*bench.Result, err error) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		fields := map[string]any{}
		for i, name := range rows[0] {
			fields[name] = row[i]
			if v, err := strconv.ParseFloat(row[i], 64); err == nil && !texts[name] {
				fields[name] = v
			} else if row[i] == "" || row[i] == "true" || row[i] == "false" {
				delete(fields, name) // llama-bench's flags are none of ours
			}
		}
		text, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		var r bench.Result
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("a row of the table: %w", err)
		}
		all = append(all, &r)
	}
	return all, nil
}

// texts are fields that may look like numbers but are none.
var texts = map[string]bool{"build_commit": true, "cpu_info": true, "gpu_info": true, "backends": true, "model_filename": true, "model_type": true, "kernels": true, "engine": true}

// readMarkdown reads llama-bench's table: columns model, size, params, backend,
// ngl, threads, test and t/s, in any order, and what qgo adds.
func readMarkdown(data []byte) (all []*bench.Result, err error) {
	var header []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue // llama-bench ends with its build
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case header == nil:
			header = cells
		case strings.HasPrefix(cells[0], "-"):
		default:
			r := &bench.Result{}
			for i, name := range header[:min(len(header), len(cells))] {
				if err := setCell(r, name, cells[i]); err != nil {
					return nil, err
				}
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func setCell(r *bench.Result, name, cell string) (err error) {
	number := func() float64 {
		v, e := strconv.ParseFloat(strings.Fields(cell + " x")[0], 64)
		if e != nil {
			err = fmt.Errorf("the table's column %q: expected a number, found %q", name, cell)
		}
		return v
	}
	units := func() float64 {
		for unit, factor := range map[string]float64{"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1e9, "M": 1e6} {
			if strings.HasSuffix(cell, " "+unit) {
				return factor
			}
		}
		return 1
	}
	switch name {
	case "model":
		r.ModelType, r.ModelFilename = cell, cell
	case "size":
		r.ModelSize = int64(number() * units())
	case "params":
		r.ModelParams = int64(number() * units())
	case "backend", "engine":
		r.Backends = cell
		if name == "engine" {
			r.Engine = cell
		}
	case "gpu":
		r.GPUInfo = cell
	case "ngl":
		r.GPULayers = int(number())
	case "threads":
		r.Threads = int(number())
	case "test":
		return setTest(r, cell)
	case "t/s":
		r.AvgTS = number()
		if _, spread, ok := strings.Cut(cell, "±"); ok {
			r.StddevTS, _ = strconv.ParseFloat(strings.TrimSpace(spread), 64)
		}
	}
	return err
}

// setTest reads a test's name, such as "tg128 @ d512".
func setTest(r *bench.Result, name string) error {
	name = strings.TrimSuffix(name, " (incomplete)")
	phases, depth, _ := strings.Cut(name, " @ d")
	r.Depth, _ = strconv.Atoi(depth)
	for part := range strings.SplitSeq(phases, "+") {
		var n int
		switch {
		case scan(part, "pp%d", &n):
			r.Prompt = n
		case scan(part, "tg%d", &n):
			r.Gen = n
		default:
			for _, s := range bench.Scenarios {
				if s.Scenario == part {
					r.Scenario, r.Prompt, r.Gen = s.Scenario, s.Prompt, s.Gen
				}
			}
		}
	}
	if r.Prompt+r.Gen == 0 {
		return fmt.Errorf("no test is called %q", name)
	}
	return nil
}

func scan(s, form string, n *int) bool {
	got, err := fmt.Sscanf(s, form, n)
	return err == nil && got == 1
}

// maxTokens is the largest number of tokens that a test may have.
const maxTokens = 1 << 40

// complete checks results and fills in what other tools leave out.
func complete(r *bench.Report) error {
	if len(r.Results) == 0 {
		return fmt.Errorf("has no results")
	}
	for i, res := range r.Results {
		if err := completeResult(res); err != nil {
			return fmt.Errorf("result %d %w", i+1, err)
		}
	}
	return nil
}

func completeResult(res *bench.Result) error {
	if res == nil || res.Prompt == 0 && res.Gen == 0 {
		return fmt.Errorf("has no test: expected n_prompt or n_gen above 0")
	}
	for _, n := range []int{res.Prompt, res.Gen, res.Depth} {
		if n < 0 || n > maxTokens {
			return fmt.Errorf("has n_prompt, n_gen or n_depth %d: expected 0 to %d tokens", n, maxTokens)
		}
	}
	if res.Engine == "" {
		res.Engine = "llama.cpp"
	}
	n := float64(res.Prompt + res.Gen)
	if res.AvgTS == 0 && res.AvgNS > 0 {
		res.AvgTS = n / res.AvgNS * 1e9
	}
	if len(res.SamplesTS) == 0 {
		for _, ns := range res.SamplesNS {
			res.SamplesTS = append(res.SamplesTS, n/float64(ns)*1e9)
		}
	}
	if len(res.SamplesTS) == 0 && res.AvgTS > 0 {
		res.SamplesTS = bench.Sample{res.AvgTS}
	}
	if res.MedianTS == 0 {
		res.MedianTS = res.SamplesTS.Median()
	}
	if len(res.SamplesNS) > 0 && len(res.SamplesNS) != len(res.SamplesTS) {
		return fmt.Errorf("has %d times in samples_ns and %d rates in samples_ts: expected as many", len(res.SamplesNS), len(res.SamplesTS))
	}
	for _, rate := range res.SamplesTS {
		if !(rate > 0) || math.IsInf(rate, 1) {
			return fmt.Errorf("has a rate of %v tokens/s", rate)
		}
	}
	if len(res.Reps) == 0 {
		for _, rate := range res.SamplesTS {
			res.Reps = append(res.Reps, bench.Rep{NS: int64(n / rate * 1e9), Prompt: res.Prompt, Gen: res.Gen})
		}
	}
	return nil
}

package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// maxFile is the largest file of results that is read, in bytes.
const maxFile = 64 << 20

// ReadFile reads results from a file: qgo's (json, jsonl, csv) or those of
// llama-bench (json, jsonl, csv, md).
func ReadFile(path string) (*bench.Report, error) {
	data, err := readAll(path)
	if err != nil {
		var at *fs.PathError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = errors.New("there is no such file of results")
		case errors.As(err, &at):
			err = fmt.Errorf("cannot be read: %w", at.Err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a directory: expected a file of results")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(data) > maxFile {
		return nil, fmt.Errorf("is longer than the %d MB that are read of results", maxFile>>20)
	}
	return data, err
}

// utf8Mark is what some editors and shells begin a file with.
const utf8Mark = "\ufeff"

// Read reads results in any of the forms, which it tells apart.
func Read(data []byte) (*bench.Report, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte(utf8Mark)))
	// What is decoded takes far more memory than its text may.
	if n := bytes.Count(data, []byte(",")) + bytes.Count(data, []byte("|")); n > maxValues {
		return nil, fmt.Errorf("has more than the %d values that are read of results", maxValues)
	}
	var results []*bench.Result
	var err error
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("is empty: %s", expected)
	case data[0] == '[':
		results, err = readList(data)
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

// expected is what a file of results holds.
const expected = "expected results of qgo bench or llama-bench"

// readReport reads qgo's own form; false if data is in another one.
func readReport(data []byte) (*bench.Report, bool, error) {
	var r bench.Report
	own := struct {
		*bench.Report
		Results *json.RawMessage `json:"results"` // instead of the report's
	}{Report: &r}
	// What decodes as no report may be lines of results.
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&own)
	if own.Results == nil {
		return nil, false, nil
	}
	if err := checkSchema(r.Schema); err != nil {
		return nil, false, err
	}
	if err == nil {
		r.Results, err = readList(*own.Results)
	}
	if err != nil {
		return nil, false, notRead(err)
	}
	return &r, true, complete(&r)
}

func checkSchema(schema string) error {
	if schema != bench.Schema {
		return fmt.Errorf("has the format %s, and this qgo reads %q: read it with the qgo that wrote it", show.Quoted(schema), bench.Schema)
	}
	return nil
}

// readList reads a list of results in JSON.
func readList(data []byte) (all []*bench.Result, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("has no list of results")
	}
	for d.More() {
		var r *bench.Result
		if err := d.Decode(&r); err != nil {
			return nil, notRead(err)
		}
		if all, err = add(all, r); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the end of the list
		return nil, notRead(err)
	}
	return all, nil
}

func add(all []*bench.Result, r *bench.Result) ([]*bench.Result, error) {
	if len(all) == maxResults {
		return nil, fmt.Errorf("has more than %d results", maxResults)
	}
	return append(all, r), nil
}

func readJSONL(data []byte) (all []*bench.Result, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		line := struct {
			Schema *string `json:"schema"`
			*bench.Result
		}{Result: new(bench.Result)}
		if err := d.Decode(&line); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, notRead(err)
		}
		if line.Schema != nil {
			if err := checkSchema(*line.Schema); err != nil {
				return nil, err
			}
		}
		if all, err = add(all, line.Result); err != nil {
			return nil, err
		}
	}
}

// readCSV reads a table whose columns have the names of JSON's fields.
func readCSV(data []byte) (all []*bench.Result, err error) {
	rows := csv.NewReader(bytes.NewReader(data))
	names, err := rows.Read()
	if err != nil || !slices.Contains(names, "n_prompt") && !slices.Contains(names, "n_gen") {
		return nil, fmt.Errorf("is neither JSON nor a table of results: %s", expected)
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("is a damaged table: %w", err)
		}
		r, err := readRow(names, row)
		if err != nil {
			return nil, err
		}
		if all, err = add(all, r); err != nil {
			return nil, err
		}
	}
}

func readRow(names, row []string) (*bench.Result, error) {
	fields := map[string]any{}
	for i, name := range names {
		fields[name] = row[i]
		if v, err := strconv.ParseFloat(row[i], 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && !texts[name] {
			fields[name] = v
		} else if row[i] == "" || row[i] == "true" || row[i] == "false" {
			delete(fields, name) // llama-bench's flags are none of ours
		}
		if name == "incomplete" || name == "no_repack" {
			fields[name] = row[i] == "true"
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	var r bench.Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("has a row that %w", notRead(err))
	}
	return &r, nil
}

// texts are fields that may look like numbers but are none.
var texts = map[string]bool{"build_commit": true, "cpu_info": true, "gpu_info": true, "backends": true, "model_filename": true, "model_type": true, "kernels": true, "engine": true, "power_mode": true}

// readMarkdown reads llama-bench's table: columns model, size, params, backend,
// ngl, threads, test and t/s, in any order, and what qgo adds. Other tables, which
// have no tests, are passed over.
func readMarkdown(data []byte) (all []*bench.Result, err error) {
	var header []string // of the table that the line is in
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			header = nil // llama-bench ends with its build, and qgo with operations
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case header == nil:
			header = cells
		case strings.HasPrefix(cells[0], "-"), !slices.Contains(header, "test"):
		default:
			r := &bench.Result{}
			for i, name := range header[:min(len(header), len(cells))] {
				if cells[i] == "" {
					continue // not known
				}
				if err := setCell(r, name, cells[i]); err != nil {
					return nil, err
				}
			}
			if all, err = add(all, r); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// maxCell is the largest number in a cell of a table, before its unit.
const maxCell = 1e9

func setCell(r *bench.Result, name, cell string) (err error) {
	number := func() float64 {
		v, e := strconv.ParseFloat(strings.Fields(cell + " x")[0], 64)
		if e != nil || !(math.Abs(v) <= maxCell) {
			err = fmt.Errorf("has %s in the table's column %s: expected a number", show.Quoted(cell), name)
			return 0
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
	case "file":
		r.ModelFilename = cell
	case "backend":
		r.Backends = cell
	case "engine":
		r.Engine = cell
	case "gpu":
		r.GPUInfo = cell
	case "ngl":
		r.GPULayers = int(number())
	case "threads":
		r.Threads = int(number())
	case "n_batch":
		r.Batch = int(number())
	case "type_k":
		r.TypeK = cell
	case "type_v":
		r.TypeV = cell
	case "kernels":
		r.Kernels = cell
	case "repack":
		r.NoRepack = cell == "no"
	case "power":
		r.PowerMode = machine.PowerMode(cell)
	case "tokens/J":
		if v := number(); v > 0 {
			r.JoulesPerToken = 1 / v
		}
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
	name, r.Incomplete = strings.CutSuffix(name, " (incomplete)")
	t, err := bench.ParseTest(name)
	if err != nil {
		return fmt.Errorf("has no test in its column test: %w", err)
	}
	r.Scenario, r.Prompt, r.Gen, r.Depth = t.Scenario, t.Prompt, t.Gen, t.Depth
	return nil
}

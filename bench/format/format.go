// Package format writes reports in the forms that other tools read.
package format

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

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
		name := benchmarkName(res)
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

// benchmarkName has all labels of a result that are known, whether they vary or
// not, for names of two files to be the same. The threads are where Go has
// GOMAXPROCS.
func benchmarkName(r *bench.Result) string {
	name := "BenchmarkPrefill"
	if r.Decodes() {
		name = "BenchmarkDecode"
	}
	for _, l := range r.Labels() {
		switch l.Name {
		case bench.LabelThreads, bench.LabelSize, bench.LabelBackend:
		default:
			if l.Value != "" {
				name += "/" + l.Name + "=" + word(l.Value)
			}
		}
	}
	if r.Threads > 0 {
		name += "-" + strconv.Itoa(r.Threads)
	}
	return name
}

// word is a text without spaces and slashes.
func word(s string) string {
	return strings.NewReplacer(" ", "_", "/", "_", "@", "at").Replace(show.Text(s))
}

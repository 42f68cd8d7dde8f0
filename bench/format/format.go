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
// that benchstat can compare files. The time a token of each operation that was
// profiled is a line, too.
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
		for i := range res.Ops {
			if op := &res.Ops[i]; op.NS > 0 {
				fmt.Fprintf(&b, "%s 1 %.1f ns/op\n", opName(res, op), op.NS)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Beginnings of names of benchmarks.
const (
	prefillName = "BenchmarkPrefill"
	decodeName  = "BenchmarkDecode"
)

// benchmarkName has all labels of a result that are known, whether they vary or
// not, for names of two files to be the same. The threads are where Go has
// GOMAXPROCS.
func benchmarkName(r *bench.Result) string {
	name := prefillName
	if r.Decodes() {
		name = decodeName
	}
	return name + labels(r) + threads(r)
}

// opName is [benchmarkName] of an operation of one of the result's phases.
func opName(r *bench.Result, op *bench.Op) string {
	name := decodeName
	if op.Phase == "prefill" {
		name = prefillName
	}
	return name + "Op" + labels(r) + "/op=" + word(op.Op) + threads(r)
}

func labels(r *bench.Result) (text string) {
	for _, l := range r.Labels() {
		switch l.Name {
		case bench.LabelThreads, bench.LabelSize, bench.LabelBackend:
		default:
			if l.Value != "" {
				text += "/" + l.Name + "=" + word(l.Value)
			}
		}
	}
	return text
}

func threads(r *bench.Result) string {
	if r.Threads <= 0 {
		return ""
	}
	return "-" + strconv.Itoa(r.Threads)
}

// word is a text without spaces and slashes.
func word(s string) string {
	return strings.NewReplacer(" ", "_", "/", "_", "@", "at").Replace(show.Text(s))
}

package format

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"qgo/bench"
	"qgo/gguf/show"
)

// tableColumn is a column of the table in Markdown, aligned to the right if it
// has numbers. Its names are those of llama-bench, where that has it.
type tableColumn struct {
	name   string
	number bool
	value  func(r *bench.Result) string
	when   func(all []*bench.Result) bool // nil for always
}

var tableColumns = []tableColumn{
	{name: "model", value: func(r *bench.Result) string { return cell(modelName(r)) }},
	{name: "file", value: func(r *bench.Result) string { return cell(r.Label(bench.LabelModel)) }},
	{name: "size", number: true, value: func(r *bench.Result) string { return amount(float64(r.ModelSize)/(1<<20), "%.2f MiB") }},
	{name: "params", number: true, value: func(r *bench.Result) string { return amount(float64(r.ModelParams)/1e6, "%.2f M") }},
	{name: "engine", value: func(r *bench.Result) string { return cell(r.Engine) }},
	{name: "backend", value: func(r *bench.Result) string { return cell(r.Backends) }, when: backendsKnown},
	{name: "gpu", value: func(r *bench.Result) string { return cell(r.GPUInfo) }, when: onGPU},
	{name: "ngl", number: true, value: func(r *bench.Result) string { return strconv.Itoa(r.GPULayers) }, when: onGPU},
	{name: "threads", number: true, value: func(r *bench.Result) string { return amount(float64(r.Threads), "%.0f") }},
	{name: "n_batch", number: true, value: func(r *bench.Result) string { return amount(float64(r.Batch), "%.0f") }, when: varies(bench.LabelBatch)},
	{name: "type_k", value: func(r *bench.Result) string { return cell(r.TypeK) }, when: varies(bench.LabelKV)},
	{name: "type_v", value: func(r *bench.Result) string { return cell(r.TypeV) }, when: varies(bench.LabelKV)},
	{name: "kernels", value: func(r *bench.Result) string { return cell(r.Kernels) }, when: varies(bench.LabelKernels)},
	{name: "repack", value: func(r *bench.Result) string { return r.Label(bench.LabelRepack) }, when: varies(bench.LabelRepack)},
	{name: "power", value: func(r *bench.Result) string { return cell(string(r.PowerMode)) }, when: powerKnown},
	{name: "test", value: testCell},
	{name: "t/s", number: true, value: rateCell},
	{name: "GB/s", number: true, value: func(r *bench.Result) string { return amount(r.GBS, "%.1f") }},
	{name: "of bound", number: true, value: shareCell},
	{name: "tokens/J", number: true, value: func(r *bench.Result) string { return amount(r.TokensPerJoule(), "%.3g") }, when: energyKnown},
}

// powerKnown reports whether power modes were asked for: without the column
// results of one would be taken for those of a machine as it is.
func powerKnown(all []*bench.Result) bool {
	return slices.ContainsFunc(all, func(r *bench.Result) bool { return r.PowerMode != "" })
}

func energyKnown(all []*bench.Result) bool {
	return slices.ContainsFunc(all, func(r *bench.Result) bool { return r.JoulesPerToken > 0 })
}

func onGPU(all []*bench.Result) bool { return slices.ContainsFunc(all, (*bench.Result).OnGPU) }

func backendsKnown(all []*bench.Result) bool {
	return slices.ContainsFunc(all, func(r *bench.Result) bool { return r.Backends != "" })
}

// varies returns a function that reports whether results differ in a label.
func varies(label string) func([]*bench.Result) bool {
	return func(all []*bench.Result) bool { return slices.Contains(bench.Varying(all), label) }
}

// amount is a number as text, empty for 0, which stands for one that is not
// known.
func amount(v float64, form string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(form, v)
}

func testCell(r *bench.Result) string {
	name := cell(r.Test().Name())
	if r.Incomplete {
		name += " (incomplete)"
	}
	return name
}

func rateCell(r *bench.Result) string {
	rate, spread, n := r.AvgTS, r.StddevTS, len(r.SamplesTS)
	if r.Scenario != "" && r.DecodeTS > 0 {
		rate, spread = r.DecodeTS, r.Rates().Stddev()
	}
	if n < 2 && spread == 0 { // one repetition has no deviation
		return amount(rate, "%.2f")
	}
	return fmt.Sprintf("%.2f ± %.2f", rate, spread)
}

func shareCell(r *bench.Result) string {
	if r.Measured == nil {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*r.OfMeasured)
}

// writeMarkdown writes llama-bench's table with the files' names, the shares of
// the bounds and a column for all else that varies; where there is one, with the
// GPU. A table of operations follows for each phase in which they were profiled.
func writeMarkdown(w io.Writer, r *bench.Report) error {
	columns := slices.DeleteFunc(slices.Clone(tableColumns), func(c tableColumn) bool { return c.when != nil && !c.when(r.Results) })
	names, lines := "|", "|"
	for _, c := range columns {
		names += " " + c.name + " |"
		if c.number {
			lines += " ---: |"
		} else {
			lines += " --- |"
		}
	}
	var b strings.Builder
	b.WriteString(names + "\n" + lines + "\n")
	for _, res := range r.Results {
		b.WriteByte('|')
		for _, c := range columns {
			b.WriteString(" " + c.value(res) + " |")
		}
		b.WriteByte('\n')
	}
	varying := bench.Varying(r.Results)
	for _, res := range r.Results {
		for _, ops := range res.OpPhases() {
			markdownOps(&b, res.OpSubject(ops[0].Phase, varying), ops)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownOps writes a table of the operations of a phase, of which the last is their
// sum.
func markdownOps(b *strings.Builder, subject string, ops []bench.Op) {
	all := &ops[len(ops)-1]
	fmt.Fprintf(b, "\nWhere the time of %s goes: %s\n\n| %s |\n| ---%s |\n", subject, bench.OpVerdict(ops), strings.Join(bench.OpHeads, " | "), strings.Repeat(" | ---:", len(bench.OpHeads)-1))
	for i := range ops {
		figures := ops[i].Figures(all)
		figures[0] = cell(ops[i].Op)
		fmt.Fprintf(b, "| %s |\n", strings.Join(figures, " | "))
	}
	if cost := all.ProfileCost(); cost != "" {
		fmt.Fprintf(b, "\n%s\n", cost)
	}
}

// cell is a text that does not end a cell of a table.
func cell(s string) string { return strings.ReplaceAll(show.Text(s), "|", `\|`) }

func modelName(r *bench.Result) string {
	if r.ModelType != "" {
		return r.ModelType
	}
	return r.Label(bench.LabelModel)
}

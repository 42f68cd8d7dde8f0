package html

import (
	"fmt"
	"slices"
	"strings"

	"qgo/bench"
	"qgo/gguf/show"
)

// section is what the page says of one report.
type section struct {
	*bench.Report
	Title, File, Common string
	Day                 string
	Notes               []string
	Heads               []cell
	Rows                []row
	Left                int // results that the table leaves out
	Bounds              []string
	Slowdowns           []slowdown
	Slower              int // slowdowns that their table leaves out
	Limits              []*bench.Ceilings
}

// EnergyOfRequests reports whether there is energy of requests, of which all tokens count.
func (s *section) EnergyOfRequests() bool {
	return slices.ContainsFunc(s.Results, func(r *bench.Result) bool { return r.JoulesPerToken > 0 && r.OfRequests() })
}

type cell struct {
	Text string
	Left bool // aligned so
}

type row struct {
	Cells      []cell
	Impossible bool
}

// column is a column of the table.
type column struct {
	head  string
	of    dim                // what identifies a result, if value is nil
	value func(r run) string // empty if unknown
}

var columns = []column{
	{head: "model", of: dimModel},
	{head: "test", of: dimTest},
	{head: "engine", of: dimEngine},
	{head: "machine", of: dimMachine},
	{head: "device", of: dimDevice},
	{head: "threads", of: dimThreads},
	{head: "batch", of: dimBatch},
	{head: "KV cache", of: dimKV},
	{head: "kernels", of: dimKernels},
	{head: "power", of: dimPower},
	{head: "build", of: dimBuild},
	{head: "t/s", value: func(r run) string { return tenths(r.rate()) }},
	{head: "±", value: func(r run) string {
		if len(r.Rates()) < 2 {
			return ""
		}
		return tenths(r.Rates().Stddev())
	}},
	{head: "GB/s", value: func(r run) string { return tenths(r.GBS) }},
	{head: "GFLOP/s", value: func(r run) string { return tenths(r.GFLOPS) }},
	{head: "bound, t/s", value: func(r run) string {
		if r.Measured == nil {
			return ""
		}
		return tenths(r.Measured.Rate)
	}},
	{head: "of it", value: func(r run) string {
		switch {
		case r.apart:
			return "impossible"
		case r.Measured == nil || r.OfMeasured <= 0:
			return ""
		}
		return fmt.Sprintf("%.0f %%", 100*r.OfMeasured)
	}},
	{head: "TTFT, ms", value: func(r run) string { return percentile(r.TTFT, func(p *bench.Percentiles) float64 { return p.P50 }) }},
	{head: "ITL p50, ms", value: func(r run) string { return percentile(r.ITL, func(p *bench.Percentiles) float64 { return p.P50 }) }},
	{head: "p99, ms", value: func(r run) string { return percentile(r.ITL, func(p *bench.Percentiles) float64 { return p.P99 }) }},
	{head: "J/token", value: func(r run) string {
		if r.JoulesPerToken <= 0 {
			return ""
		}
		return fmt.Sprintf("%.3g", r.JoulesPerToken)
	}},
}

// tenths is a number with one digit after the point, or two digits below 1, empty if it is unknown.
func tenths(v float64) string {
	switch {
	case v <= 0:
		return ""
	case v < 1:
		return fmt.Sprintf("%.2g", v)
	case v >= 1e12:
		return number(v)
	}
	return fmt.Sprintf("%.1f", v)
}

func percentile(p *bench.Percentiles, of func(*bench.Percentiles) float64) string {
	if p == nil {
		return ""
	}
	return tenths(of(p))
}

// identity is the text of a column that identifies results.
func (c column) identity(r run) string {
	switch c.of {
	case dimTest:
		name := r.test()
		if again := r.values[dimAgain]; again != "" {
			name += ", " + again
		}
		if r.Incomplete {
			name += " *"
		}
		return name
	case dimThreads: // under a heading that says what they are
		return positive(r.Threads)
	case dimBatch:
		return positive(r.Batch)
	}
	return r.values[c.of]
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// newSection makes the tables of a report; all are its results.
func newSection(report *bench.Report, all []run, file string, l limits) *section {
	s := &section{Report: report, File: file, Title: machineTitle(report), Bounds: boundTexts(all, l)}
	if !report.Started.IsZero() {
		s.Day = report.Started.Format("2006-01-02 15:04 MST")
	}
	const longest = 2000
	for i, w := range report.Warnings {
		if i == l.notes {
			s.Notes = append(s.Notes, fmt.Sprintf("%s more are in the file", count(len(report.Warnings)-i, "warning")))
			break
		}
		s.Notes = append(s.Notes, cut(show.Lines(w), longest))
	}
	s.Limits = report.Ceilings[:min(l.ceilings, len(report.Ceilings))]
	s.Slowdowns, s.Slower = slowdowns(report, l.notes)
	s.table(all, l.rows)
	return s
}

// cut is the beginning of a text of many characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}

// machineTitle names a report's machine.
func machineTitle(r *bench.Report) string {
	var parts []string
	for _, v := range []string{r.Machine.Board, r.Machine.CPU} {
		if v != "" {
			parts = append(parts, show.Text(v))
		}
	}
	if parts == nil {
		return "A machine that the file does not name"
	}
	return strings.Join(parts, ", ")
}

// table fills in the columns that say something, and in words what all results
// have in common.
func (s *section) table(all []run, rows int) {
	var shown []column
	var common []string
	for _, c := range columns {
		if c.value == nil {
			if c.of == dimTest || distinct(all, []dim{c.of}) > 1 {
				shown = append(shown, c)
			} else if v := all[0].values[c.of]; v != "" && c.of != dimMachine {
				common = append(common, commonText(c, v))
			} else if v != "" && all[0].elsewhere() {
				common = append(common, "machine "+v)
			}
			continue
		}
		if slices.ContainsFunc(all, func(r run) bool { return c.value(r) != "" }) {
			shown = append(shown, c)
		}
	}
	s.Common = strings.Join(common, ", ")
	for _, c := range shown {
		s.Heads = append(s.Heads, cell{c.head, c.value == nil})
	}
	s.Left = max(len(all)-rows, 0)
	for _, r := range all[:len(all)-s.Left] {
		line := row{Impossible: r.apart}
		for _, c := range shown {
			if c.value != nil {
				line.Cells = append(line.Cells, cell{Text: c.value(r)})
			} else {
				line.Cells = append(line.Cells, cell{c.identity(r), true})
			}
		}
		s.Rows = append(s.Rows, line)
	}
}

// commonText says what all results have in a column.
func commonText(c column, v string) string {
	if c.of == dimThreads || c.of == dimBatch {
		return v // which says what it is
	}
	return c.head + " " + v
}

// peaks are the highest rates of arithmetic of a device, in 10⁹ operations a second.
func peaks(all []bench.PeakRate) string {
	const most = 8
	var parts []string
	for _, p := range all[:min(most, len(all))] {
		parts = append(parts, fmt.Sprintf("%s %.0f", show.Text(p.Type), p.Best/1e9))
	}
	return strings.Join(parts, ", ")
}

// facts are a line about when and on what the results were measured.
func facts(s *section) string {
	m := &s.Machine
	var parts []string
	if s.Day != "" {
		parts = append(parts, s.Day)
	}
	if m.OS != "" {
		text := strings.TrimSpace(show.Text(m.OS) + " " + show.Text(m.Kernel))
		if m.Arch != "" {
			text += " on " + show.Text(m.Arch)
		}
		parts = append(parts, text)
	}
	if m.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.2f GB of memory", float64(m.Memory)/1e9))
	}
	if m.PowerMode != "" {
		parts = append(parts, "power mode "+show.Text(m.PowerMode))
	}
	const most = 8
	for _, g := range m.Governors[:min(most, len(m.Governors))] {
		parts = append(parts, "governor "+show.Text(g))
	}
	return strings.Join(parts, " · ")
}

package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// heading are the labels that the heading of a table tells.
var heading = []string{
	bench.LabelModel, bench.LabelSize, bench.LabelEngine, bench.LabelBatch, bench.LabelThreads, bench.LabelBackend, bench.LabelDevice,
	bench.LabelLayers, bench.LabelKV, bench.LabelKernels, bench.LabelRepack, bench.LabelPower,
}

// printBench writes a report for a terminal of 80 columns.
func printBench(w io.Writer, r *bench.Report) {
	var head *bench.Result // the one that the heading tells of
	for i, res := range r.Results {
		if i == 0 || !res.Paired && differs(res, head) {
			printGroup(w, i > 0, res)
			head = res
		}
		printResult(w, res)
	}
	printRatios(w, r)
	printLatencies(w, r)
	printBandwidth(w, r)
	printVerdicts(w, r)
	printPower(w, r)
	if h := r.Harness; h != nil {
		fmt.Fprintf(w, "\nMeasuring took %.2f %% of the time (a clock reading %.0f ns); fixed work in\nregisters repeats within %.2f %%.\n", 100*h.Overhead, h.ClockNS, 100*h.Repeat)
	}
	if r.Interrupted {
		fmt.Fprintln(w, "\nThe run was broken off: what is marked with * is not complete.")
	}
}

// differs reports whether two results need different headings.
func differs(a, b *bench.Result) bool {
	return a.ModelFilename != b.ModelFilename || a.Words(heading...) != b.Words(heading...)
}

func printGroup(w io.Writer, gap bool, res *bench.Result) {
	if gap {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s: %s, %s\n", clip(filepath.Base(res.ModelFilename), 40), clip(res.ModelType, 24), bytesText(res.ModelSize))
	if res.Engine != "qgo" {
		fmt.Fprintf(w, "by %s, measured before\n", show.Text(res.Engine))
	} else {
		if res.OnGPU() {
			fmt.Fprintf(w, "%s (%s)\n", clip(res.Devices(), 70), show.Text(res.Backends))
		} else {
			fmt.Fprintf(w, "%s, %s\n", clip(res.CPUInfo, 60), show.Text(res.Devices()))
		}
		fmt.Fprintln(w, clip(res.Words(bench.LabelBatch, bench.LabelKV, bench.LabelKernels, bench.LabelRepack), 80))
	}
	if res.PowerMode != "" {
		fmt.Fprintln(w, "power mode "+clip(string(res.PowerMode), 60))
	}
	if l := res.Load; l != nil {
		fmt.Fprintf(w, "loading to the first token: %.2f s", float64(l.WarmNS)/1e9)
		if l.ColdNS > 0 {
			fmt.Fprintf(w, ", from storage %.2f s", float64(l.ColdNS)/1e9)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%-20s %9s %8s %8s %9s %11s %8s\n", "test", "t/s", "±", "GB/s", "GFLOP/s", "bound, t/s", "of it")
}

func printResult(w io.Writer, r *bench.Result) {
	name := r.Test().Name()
	if r.Incomplete {
		name += " *"
	}
	if r.Paired {
		name = "  " + r.Engine
	}
	rate, spread := r.MedianTS, r.StddevTS
	if r.Scenario != "" {
		rate, spread = r.DecodeTS, r.Rates().Stddev()
	}
	deviation := ""
	if len(r.SamplesTS) > 1 || spread > 0 {
		deviation = fmt.Sprintf("%.1f", spread)
	}
	fmt.Fprintf(w, "%-20s %9s %8s", clip(name, 20), figure(rate, "%.1f"), deviation)
	bound, share := r.Measured, r.OfMeasured
	if bound == nil {
		bound, share = r.Given, r.OfGiven // of a machine that is not this one
	}
	if bound != nil {
		mark := fmt.Sprintf("%.0f %%", 100*share)
		if r.Impossible {
			mark += " !"
		}
		fmt.Fprintf(w, " %8s %9s %11s %8s", figure(r.GBS, "%.1f"), figure(r.GFLOPS, "%.1f"), figure(bound.Rate, "%.1f"), mark)
	}
	fmt.Fprintln(w)
}

// figure is a number as text, empty for 0, which stands for one that is not
// known.
func figure(v float64, form string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(form, v)
}

// printRatios compares qgo with the engines that took turns with it.
func printRatios(w io.Writer, r *bench.Report) {
	last := ""
	for _, c := range r.Ratios() {
		if of := c.Ours.Words(heading...); of != last {
			last = of
			fmt.Fprintf(w, "\n%s:\n", wrap(c.Ours.Words(bench.LabelModel)+varied(r, c.Ours), 79, "  "))
			fmt.Fprintf(w, "%-20s %-22s %7s   %s\n", "qgo in", "against", "times", "95 % confidence")
		}
		interval := fmt.Sprintf("%.2f to %.2f", c.Lo, c.Hi)
		switch {
		case math.IsInf(c.Hi, 1):
			interval = "unknown: too few"
		case c.Pairs > 0:
			interval += fmt.Sprintf(", %d pairs", c.Pairs)
		}
		fmt.Fprintf(w, "%-20s %-22s %7.2f   %s\n", clip(c.Ours.Test().Name(), 20), clip(c.Theirs.Engine, 22), c.Ratio.Ratio, interval)
	}
}

// varied are the words for what varies in a report beside model, test, engine
// and what else is told, behind a comma.
func varied(r *bench.Report, of *bench.Result, told ...string) string {
	told = append(told, bench.LabelModel, bench.LabelTest, bench.LabelEngine, bench.LabelSize, bench.LabelBackend) // the device tells the backend
	names := slices.DeleteFunc(bench.Varying(bench.Own(r.Results)), func(name string) bool { return slices.Contains(told, name) })
	if text := of.Words(names...); text != "" {
		return ", " + text
	}
	return ""
}

// printLatencies lists what a user waits for, with the rates of requests, for
// each model and what it ran with.
func printLatencies(w io.Writer, r *bench.Report) {
	last := ""
	for _, res := range r.Results {
		if res.ITL == nil || res.Engine != "qgo" && !res.Paired {
			continue
		}
		if of := res.Words(heading...); of != last && !res.Paired || last == "" {
			last = of
			title := "ms, " + res.Words(bench.LabelModel) + varied(r, res)
			if len([]rune(title)) > 26 {
				fmt.Fprintf(w, "\n%s", wrap(title, 79, "  "))
				title = ""
			}
			fmt.Fprintf(w, "\n%-26s %9s %9s %9s %9s %9s\n", title, "p50", "p90", "p95", "p99", "max")
		}
		printLatency(w, res)
	}
}

func printLatency(w io.Writer, r *bench.Result) {
	name := r.Test().Name()
	if r.Engine != "qgo" {
		name = "  " + r.Engine
	}
	type row struct {
		what string
		of   *bench.Percentiles
	}
	rows := []row{{"TTFT", r.TTFT}, {"ITL", r.ITL}}
	if r.Scenario != "" {
		rows = append(rows, row{"TPOT", r.TPOT}, row{"TTLT", r.TTLT})
	}
	for _, x := range rows {
		if p := x.of; p != nil {
			fmt.Fprintf(w, "%-20s %-5s %9.1f %9.1f %9.1f %9.1f %9.1f\n", clip(name, 20), x.what, p.P50, p.P90, p.P95, p.P99, p.Max)
		}
	}
	var rates []string
	for _, x := range []struct {
		what string
		rate float64
	}{{"prefill", r.PrefillTS}, {"decode", r.DecodeTS}, {"throughput", r.Throughput}} {
		if r.Scenario != "" && x.rate > 0 {
			rates = append(rates, fmt.Sprintf("%s %.1f", x.what, x.rate))
		}
	}
	if len(rates) > 0 {
		fmt.Fprintf(w, "%-20s t/s:  %s\n", clip(name, 20), strings.Join(rates, ", "))
	}
}

// gigabytes is the best of a rate in GB/s.
func gigabytes(r bench.Rate) string { return cmp.Or(figure(r.Best/1e9, "%.1f"), "unknown") }

// printGPU shows the GPU's ceilings.
func printGPU(w io.Writer, g *bench.GPUCeilings) {
	fmt.Fprintf(w, "GPU      %s (%s)\n", clip(g.Name, 55), show.Text(g.Device))
	fmt.Fprintf(w, "memory   read %s, copy %s GB/s at best\n", gigabytes(g.Read), gigabytes(g.Copy))
	var peaks []string
	for _, p := range g.Peaks {
		peaks = append(peaks, fmt.Sprintf("%s %s", show.Text(p.Type), rateText(p.Best)))
	}
	fmt.Fprintf(w, "compute  %s\n", strings.Join(peaks, ", "))
	if g.Launches.Best > 0 && g.Barriers.Best > 0 {
		exchange := ""
		if g.Exchanges != nil {
			exchange = fmt.Sprintf(", an exchange %.2f µs", 1e6/g.Exchanges.Best)
		}
		fmt.Fprintf(w, "latency  a launch %.2f µs, a barrier of all blocks %.2f µs%s\n", 1e6/g.Launches.Best, 1e6/g.Barriers.Best, exchange)
	}
}

// headMode heads the ceilings of another power mode than the one before.
func headMode(w io.Writer, before, mode machine.PowerMode) machine.PowerMode {
	if mode != before {
		fmt.Fprintf(w, "power    %s\n", clip(string(mode), 70))
	}
	return mode
}

// printBandwidth shows the machine's ceilings and how the bandwidth went.
func printBandwidth(w io.Writer, r *bench.Report) {
	fmt.Fprintln(w)
	if r.GPU != nil {
		gpus := r.GPUModes
		if len(gpus) == 0 {
			gpus = []*bench.GPUCeilings{r.GPU}
		}
		mode := machine.PowerMode("")
		for _, g := range gpus {
			mode = headMode(w, mode, g.PowerMode)
			printGPU(w, g)
		}
		if len(r.Ceilings) > 0 {
			fmt.Fprintf(w, "CPU      %s\n", clip(r.Machine.CPU, 70))
		}
	}
	mode := machine.PowerMode("")
	for _, c := range r.Ceilings {
		mode = headMode(w, mode, c.PowerMode)
		fmt.Fprintf(w, "memory   %s read %s, copy %s, triad %s GB/s at best\n", bench.Threads(c.Threads), gigabytes(c.Read), gigabytes(c.Copy), gigabytes(c.Triad))
		var peaks []string
		for _, p := range c.Peaks {
			peaks = append(peaks, fmt.Sprintf("%s %.0f", show.Text(p.Type), p.Best/1e9))
		}
		fmt.Fprintf(w, "compute  %s GOP/s\n", strings.Join(peaks, ", "))
	}
	varying := bench.Varying(bench.Own(r.Results))
	for _, res := range bench.Own(r.Results) {
		if !res.Bandwidth.Two() {
			continue
		}
		text := fmt.Sprintf("The bandwidth went between %.0f and %.0f GB/s during %s (%s):", res.Bandwidth.Slow/1e9, res.Bandwidth.Fast/1e9, res.Subject(varying), count(res.Bandwidth.Flips, "change"))
		fmt.Fprintf(w, "\n%s\n", wrap(text, 80, "  "))
		for _, s := range res.ByState() {
			fmt.Fprintf(w, "  %-6s %5.1f GB/s: %7.1f t/s", s.State, s.Bandwidth/1e9, s.Rate)
			if res.Decodes() {
				fmt.Fprintf(w, ", %3.0f %% of it", 100*s.Share)
			}
			fmt.Fprintf(w, " (%s)\n", count(s.Reps, "repetition"))
		}
	}
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printVerdicts says how near to their bounds the results are.
func printVerdicts(w io.Writer, r *bench.Report) {
	fmt.Fprintln(w)
	say := func(format string, args ...any) { fmt.Fprintln(w, wrap(fmt.Sprintf(format, args...), 80, "  ")) }
	varying := bench.Varying(bench.Own(r.Results))
	for _, verdict := range bench.Verdicts(r.Results) {
		say("%s.", verdict)
	}
	own := bench.Own(r.Results)
	for _, res := range own {
		if res.JoulesPerToken > 0 {
			of, power := "", ""
			if res.OfRequests() {
				of = " of prompt and answer"
			}
			if w := res.Watts(); w > 0 {
				power = fmt.Sprintf(", %.3g W", w)
			}
			say("%s: %.3g J a token%s, %.3g tokens/J%s.", res.Subject(varying), res.JoulesPerToken, of, res.TokensPerJoule(), power)
		}
	}
	varied := slices.DeleteFunc(slices.Clone(varying), func(name string) bool { return name == bench.LabelThreads })
	for _, best := range bench.BestThreads(r.Results) {
		say("%s is fastest: %s make it %.0f %% slower.", best.Subject(varied), bench.Threads(best.Most), 100*best.Loss)
	}
	for _, l := range bench.Lines(own) {
		where := show.Text(l.Device)
		if l.Power != "" {
			where += ", " + show.Text(string(l.Power))
		}
		say("%s over %d models: a token takes %.2f ms and the time to read its bytes at %.1f GB/s (%s; no model is further off than %.0f %%).",
			l.Test.Name(), l.Models, 1e3*l.Fixed, l.Bandwidth/1e9, where, 100*l.Worst)
	}
	told := ""
	for _, res := range own {
		if model := res.Words(bench.LabelModel, bench.LabelSize); res.Measured != nil && res.Decodes() && res.Given != nil && model != told {
			told = model
			say("For reference: the %.1f GB/s of %s would bound %s at %.1f t/s, of which this is %.0f %% (--profile and --bound choose another machine).",
				r.Reference.Bandwidth/1e9, show.Text(r.Reference.Title), res.Subject(varying), res.Given.MemoryRate, 100*res.OfGiven)
		}
	}
}

// clip makes a text from a file fit to be shown and cuts it to n characters.
func clip(s string, n int) string {
	s = show.Text(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// wrap breaks a text at spaces into lines of at most width characters, all but
// the first behind indent. A number and its % stay together.
func wrap(s string, width int, indent string) string {
	const bound = "\u00a0"
	s = strings.ReplaceAll(s, " %", bound+"%")
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(s, " ") {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return strings.ReplaceAll(b.String(), bound, " ")
}

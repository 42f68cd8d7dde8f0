package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"qgo/bench"
	"qgo/gguf/show"
)

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
	if h := r.Harness; h != nil {
		fmt.Fprintf(w, "\nMeasuring took %.2f %% of the time (a clock reading %.0f ns); fixed work in\nregisters repeats within %.2f %%.\n", 100*h.Overhead, h.ClockNS, 100*h.Repeat)
	}
	if r.Interrupted {
		fmt.Fprintln(w, "\nThe run was broken off: what is marked with * is not complete.")
	}
}

// differs reports whether two results need different headings.
func differs(a, b *bench.Result) bool {
	return a.ModelFilename != b.ModelFilename || a.Devices() != b.Devices() || a.Batch != b.Batch || a.Engine != b.Engine
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
			fmt.Fprintf(w, "%s, %s, ", clip(res.CPUInfo, 25), show.Text(res.Devices()))
		}
		fmt.Fprintf(w, "batches of %d, %s kernels, %s KV cache\n", res.Batch, show.Text(res.Kernels), show.Text(res.TypeK))
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
		rate, spread = r.DecodeTS, 0
	}
	fmt.Fprintf(w, "%-20s %9.1f %8.1f", clip(name, 20), rate, spread)
	bound, share := r.Measured, r.OfMeasured
	if bound == nil {
		bound, share = r.Given, r.OfGiven // of a machine that is not this one
	}
	if bound != nil {
		mark := fmt.Sprintf("%.0f %%", 100*share)
		if r.Impossible {
			mark += " !"
		}
		fmt.Fprintf(w, " %8.1f %9.1f %11.1f %8s", r.GBS, r.GFLOPS, bound.Rate, mark)
	}
	fmt.Fprintln(w)
}

// printRatios compares qgo with the engines that took turns with it.
func printRatios(w io.Writer, r *bench.Report) {
	first := true
	for _, c := range r.Ratios() {
		if first {
			fmt.Fprintf(w, "\n%-20s %-22s %7s   %s\n", "qgo in", "against", "times", "95 % confidence")
			first = false
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

// printLatencies lists what a user waits for, model by model.
func printLatencies(w io.Writer, r *bench.Report) {
	last := ""
	for _, res := range r.Results {
		if res.ITL == nil || res.Engine != "qgo" && !res.Paired {
			continue
		}
		if res.ModelFilename != last {
			last = res.ModelFilename
			fmt.Fprintf(w, "\n%-26s %9s %9s %9s %9s %9s\n", clip("ms, "+filepath.Base(last), 26), "p50", "p90", "p95", "p99", "max")
		}
		name := res.Test().Name()
		if res.Engine != "qgo" {
			name = "  " + res.Engine
		}
		line := func(what string, p *bench.Percentiles) {
			if p != nil {
				fmt.Fprintf(w, "%-20s %-5s %9.1f %9.1f %9.1f %9.1f %9.1f\n", clip(name, 20), what, p.P50, p.P90, p.P95, p.P99, p.Max)
			}
		}
		line("TTFT", res.TTFT)
		line("ITL", res.ITL)
		if res.Scenario != "" {
			line("TTLT", res.TTLT)
		}
	}
}

// printGPU shows the GPU's ceilings.
func printGPU(w io.Writer, g *bench.GPUCeilings) {
	fmt.Fprintf(w, "GPU      %s (%s)\n", clip(g.Name, 55), show.Text(g.Device))
	fmt.Fprintf(w, "memory   read %.1f, copy %.1f GB/s at best\n", g.Read.Best/1e9, g.Copy.Best/1e9)
	var peaks []string
	for _, p := range g.Peaks {
		peaks = append(peaks, fmt.Sprintf("%s %s", show.Text(p.Type), rateText(p.Best)))
	}
	fmt.Fprintf(w, "compute  %s\n", strings.Join(peaks, ", "))
	if g.Launches.Best > 0 && g.Barriers.Best > 0 {
		fmt.Fprintf(w, "latency  a launch %.2f µs, a barrier of all blocks %.2f µs\n", 1e6/g.Launches.Best, 1e6/g.Barriers.Best)
	}
}

// printBandwidth shows the machine's ceilings and how the bandwidth went.
func printBandwidth(w io.Writer, r *bench.Report) {
	fmt.Fprintln(w)
	if r.GPU != nil {
		printGPU(w, r.GPU)
		if len(r.Ceilings) > 0 {
			fmt.Fprintf(w, "CPU      %s\n", clip(r.Machine.CPU, 70))
		}
	}
	for _, c := range r.Ceilings {
		fmt.Fprintf(w, "memory   %s read %.1f, copy %.1f, triad %.1f GB/s at best\n", bench.Threads(c.Threads), c.Read.Best/1e9, c.Copy.Best/1e9, c.Triad.Best/1e9)
		var peaks []string
		for _, p := range c.Peaks {
			peaks = append(peaks, fmt.Sprintf("%s %.0f", show.Text(p.Type), p.Best/1e9))
		}
		fmt.Fprintf(w, "compute  %s GOP/s\n", strings.Join(peaks, ", "))
	}
	for _, res := range r.Results {
		if !res.Bandwidth.Two() || res.Engine != "qgo" {
			continue
		}
		fmt.Fprintf(w, "\nThe bandwidth went between %.0f and %.0f GB/s during %s (%d changes):\n", res.Bandwidth.Slow/1e9, res.Bandwidth.Fast/1e9, show.Text(res.Test().Name()), res.Bandwidth.Flips)
		for _, s := range res.ByState() {
			fmt.Fprintf(w, "  %-6s %5.1f GB/s: %7.1f t/s", s.State, s.Bandwidth/1e9, s.Rate)
			if res.Decodes() {
				fmt.Fprintf(w, ", %3.0f %% of it", 100*s.Share)
			}
			fmt.Fprintf(w, " (%d repetitions)\n", s.Reps)
		}
	}
}

// fewVerdicts is the number of results that get a sentence each.
const fewVerdicts = 4

// printVerdicts says how near to their bounds the results are.
func printVerdicts(w io.Writer, r *bench.Report) {
	fmt.Fprintln(w)
	var ours []*bench.Result
	for _, res := range r.Results {
		if res.Engine == "qgo" && res.Measured != nil {
			ours = append(ours, res)
		}
	}
	if len(ours) > fewVerdicts {
		printRange(w, ours)
	}
	for _, res := range ours {
		if len(ours) <= fewVerdicts || res.Impossible {
			fmt.Fprintln(w, wrap(show.Text(res.Test().Name())+": "+res.Verdict()+".", 80, "  "))
		}
		if res.JoulesPerToken > 0 {
			fmt.Fprintf(w, "%s: %.3g J a token\n", show.Text(res.Test().Name()), res.JoulesPerToken)
		}
	}
	for _, best := range bench.BestThreads(r.Results) {
		fmt.Fprintln(w, wrap(fmt.Sprintf("%s: fastest with %s; %d make it %.0f %% slower.", show.Text(best.Test.Name()), bench.Threads(best.Threads), best.Most, 100*best.Loss), 80, "  "))
	}
	for _, res := range ours {
		if res.Decodes() && res.Given != nil {
			fmt.Fprintln(w, wrap(fmt.Sprintf("For reference: the %.1f GB/s of %s would bound %s at %.1f t/s, of which this is %.0f %%.",
				r.Reference.Bandwidth/1e9, show.Text(r.Reference.Title), show.Text(res.Test().Name()), res.Given.MemoryRate, 100*res.OfGiven), 80, "  "))
			break
		}
	}
}

// printRange says between which shares of their bounds many results are.
func printRange(w io.Writer, ours []*bench.Result) {
	for _, phase := range []string{"prefill", "decode"} {
		var shares bench.Sample
		for _, res := range ours {
			if res.Decodes() == (phase == "decode") {
				shares = append(shares, 100*res.OfMeasured)
			}
		}
		if len(shares) > 0 {
			fmt.Fprintf(w, "The %d results of %s are at %.0f to %.0f %% of their bounds.\n", len(shares), phase, shares.Quantile(0), shares.Quantile(1))
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

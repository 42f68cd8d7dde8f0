package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/bench"
	"qgo/bench/load"
	"qgo/gguf/show"
)

// printUsers writes a report for a terminal of 80 columns.
func printUsers(w io.Writer, r *load.Report) {
	printUsersHead(w, r)
	if len(r.Levels) > 0 {
		fmt.Fprintf(w, "\n%5s%24s%21s%15s%14s\n", "", "first token (TTFT), ms", "each (TPOT), ms", "tokens/s", "goodput")
		fmt.Fprintf(w, "%5s%8s%8s%8s%7s%7s%7s%8s%7s%7s%7s\n", "users", "p50", "p90", "p99", "p50", "p90", "p99", "total", "each", "share", "req/s")
	}
	for _, l := range r.Levels {
		printLevel(w, l)
	}
	printFailures(w, r.Levels)
	if r.Verdict != "" {
		fmt.Fprintln(w, "\n"+wrap(r.Verdict, 80, ""))
	}
	if len(r.BatchDecode) > 0 {
		fmt.Fprintf(w, "\n%-20s %12s %12s %12s\n", fmt.Sprintf("decode @ d%d", r.BatchDecode[0].Depth), "ms a step", "t/s in all", "t/s each")
	}
	for _, s := range r.BatchDecode {
		fmt.Fprintf(w, "%-20s %12.2f %12.1f %12.1f\n", english.Plural(s.Sequences, "sequence", ""), s.MS, s.TotalTS, s.EachTS)
	}
	if r.DecodeVerdict != "" {
		fmt.Fprintln(w, "\n"+wrap(r.DecodeVerdict, 80, ""))
	}
	if r.Interrupted {
		fmt.Fprintln(w, "\nThe run was broken off: what is marked with * is not complete.")
	}
}

func printUsersHead(w io.Writer, r *load.Report) {
	of := "by " + show.Text(r.Engine)
	if r.Devices != "" {
		of += ", " + clip(r.Devices, 70) + ", " + show.Text(r.KV) + " KV cache"
	}
	if r.Model != "" {
		of = clip(r.Model, 60) + " " + of
	}
	fmt.Fprintln(w, wrap(of, 80, "  "))
	if r.Sampling != "" {
		fmt.Fprintln(w, wrap("Tokens are drawn: "+r.Sampling+".", 80, ""))
	}
	if len(r.Levels) == 0 {
		return
	}
	what := fmt.Sprintf("Prompts of %d tokens, answers of %d", r.Prompt, r.Answer)
	if r.Scenario != "" {
		what = fmt.Sprintf("Scenario %s: prompts of %d tokens, answers of %d", r.Scenario, r.Prompt, r.Answer)
	}
	if counted := r.Levels[0].Prompt; r.Engine != "qgo" && counted > 0 {
		what += fmt.Sprintf(" (the server counts prompts of %.0f)", counted)
	}
	if r.Loop == "open" {
		what += fmt.Sprintf(". Open loop: %g requests a second arrive at random (seed %d).", r.Rate, r.Seed)
	} else {
		what += ". Closed loop: each user sends the next request when the last is answered."
	}
	fmt.Fprintln(w, wrap(what, 80, ""))
}

func printLevel(w io.Writer, l *load.Level) {
	name := fmt.Sprint(l.Users)
	if l.Incomplete {
		name += " *"
	}
	fmt.Fprintf(w, "%5s", name)
	for _, c := range []struct {
		width int
		p     *bench.Percentiles
	}{{8, l.TTFT}, {7, l.TPOT}} {
		if c.p == nil {
			fmt.Fprint(w, strings.Repeat(fmt.Sprintf("%*s", c.width, "-"), 3))
			continue
		}
		for _, v := range []float64{c.p.P50, c.p.P90, c.p.P99} {
			fmt.Fprintf(w, "%*s", c.width, digits(v))
		}
	}
	fmt.Fprintf(w, "%8s%7s%5.0f %%%7.2f\n", digits(l.TotalTS), digits(l.EachTS), 100*l.GoodShare, l.GoodRate)
}

// digits is a number with one digit behind the point, unless it is long.
func digits(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// printFailures lists why requests failed.
func printFailures(w io.Writer, levels []*load.Level) {
	gap := "\n"
	for _, l := range levels {
		for _, f := range l.Failures {
			text := fmt.Sprintf("%s: %d of %s failed: %s", english.Plural(l.Users, "user", ""), f.Count, english.Plural(l.Requests, "request", ""), show.Lines(f.Reason))
			fmt.Fprint(w, gap, wrap(text, 80, "  "), "\n")
			gap = ""
		}
	}
}

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"qgo/bench/sweep"
	"qgo/gguf/show"
	"qgo/model"
)

// sweepPlan is an example of a plan, as the help shows it.
const sweepPlan = `  title: Two quiet cores
  models: [q4_0.gguf, q8_0.gguf]
  tests: [pp512, tg64, tg64 @ d2048]
  threads: [1, 2]            # 0, the default: one per physical core
  busy: [0, 2]               # busy loops beside the engines; default 0
  device: cpu                # the default; or a GPU such as cuda:0
  engines:
    - {name: llama.cpp, llama_bench: /usr/bin/llama-bench}
    - {name: fork, llama_bench: /opt/fork/llama-bench, args: [-rtr, "1"]}
  rule:                      # written before; these are the defaults
    pairs: 10                # that must hold for a grade
    most: 20                 # turns at most, if some do not hold
    steady: 0.2              # what binds may move by so much within a turn
    foreign: 0.05            # others may take so much of the CPUs' time
    level: 0.03              # an interval so close to 1 is level
    patience: 120            # seconds for a turn of an engine`

func newBenchSweep() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "sweep PLAN.yaml",
		Short: "Measure models, tests, threads and engines by a plan, and grade each cell",
		Long: `sweep measures every test on every model with every number of threads. In each
cell qgo and the other engines take turns, with a probe of the machine before,
within and after. The plan has the rule by which pairs count and cells are
graded ahead, level, behind or void. Plan and rule are the first line of the
result (PLAN.jsonl, or --out), so they cannot follow what was measured.

Each cell is written when it is done. The same command goes on where it was
interrupted. 'qgo bench grade' shows the result, or puts it into a document.

A plan (docs/bench.md says more):

` + sweepPlan,
		Example:     "  qgo bench sweep plan.yaml\n  qgo bench grade plan.jsonl",
		Annotations: map[string]string{outputsKey: "text"},
		Args:        exactly(1, "a plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				out = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])) + ".jsonl"
			}
			return runSweep(cmd, args[0], out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the result (default: the plan's name with .jsonl, here)")
	return cmd
}

func runSweep(cmd *cobra.Command, path, out string) error {
	p, err := sweep.ReadPlan(path)
	if err != nil {
		return err
	}
	for i, name := range p.Models {
		if p.Models[i], err = findModel(name); err != nil {
			return err
		}
	}
	if err := p.Check(); err != nil {
		return err
	}
	var o model.Options
	device := deviceFlags{p.Device, "auto"}
	if err := device.apply(cmd, &o); err != nil {
		return err
	}
	progress := newBenchProgress(cmd)
	progress.begin()
	r, err := p.Run(cmd.Context(), out, o, progress.set)
	progress.end()
	if r == nil || len(r.Cells) == 0 {
		return err
	}
	printSweep(cmd.OutOrStdout(), r)
	if n := r.Missing(); n > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s missing; the same command goes on.\n", english.Plural(n, "cell is", "cells are"))
	}
	return err
}

func newBenchGrade() *cobra.Command {
	into := ""
	cmd := &cobra.Command{
		Use:   "grade RESULT...",
		Short: "Show a sweep's result with its grades, or put it into a document",
		Long: `grade reads results of 'qgo bench sweep' and grades their cells by the rule that
each has in its first line. With --into it puts results into a Markdown document,
which names them: what stands between <!-- sweep: RESULT.jsonl --> and
<!-- /sweep --> is written anew. The names are relative to the document.`,
		Example:     "  qgo bench grade plan.jsonl\n  qgo bench grade --into docs/performance.md",
		Annotations: map[string]string{outputsKey: "text md"},
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case into == "" && len(args) == 0:
				return usagef(cmd, "expected results of 'qgo bench sweep', found none")
			case into != "" && len(args) > 0:
				return usagef(cmd, "--into takes the results that the document names: leave %s out", show.Quoted(args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if into != "" {
				return sweep.UpdateFile(into)
			}
			var all []*sweep.Result
			for _, path := range args {
				r, err := sweep.Read(path)
				if err != nil {
					return err
				}
				all = append(all, r)
			}
			printSweeps(cmd, all)
			return nil
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "Markdown document to put its results into")
	return cmd
}

// printSweeps writes results in the form that was asked for.
func printSweeps(cmd *cobra.Command, all []*sweep.Result) {
	w := cmd.OutOrStdout()
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if cmd.Flag("output").Value.String() == "md" {
			fmt.Fprint(w, r.Markdown())
		} else {
			printSweep(w, r)
		}
	}
}

// printSweep writes a result for a terminal of 80 columns.
func printSweep(w io.Writer, r *sweep.Result) {
	if r.Plan.Title != "" {
		fmt.Fprintln(w, wrap(show.Text(r.Plan.Title), 80, ""))
	}
	all := r.Grade()
	fmt.Fprintln(w, wrap(show.Text(r.On())+", qgo "+show.Text(r.Commit)+". "+sweep.Count(all), 80, ""))
	fmt.Fprintln(w, wrap("Rule: "+r.Plan.Rule.Words(), 80, ""))
	for i := range all {
		g := &all[i]
		fmt.Fprintf(w, "\n%-8s %s\n", g.Best().Grade, wrap(show.Text(g.Name()+", "+g.Test)+ours(g), 71, strings.Repeat(" ", 9)))
		for j := range g.Verdicts {
			v := &g.Verdicts[j]
			fmt.Fprintf(w, "%9s%s\n", "", wrap(against(v), 71, strings.Repeat(" ", 11)))
			for k := range v.ByState {
				fmt.Fprintf(w, "%11s%s\n", "", v.ByState[k].Words(g.Binds))
			}
		}
	}
}

// ours says qgo's rate in a cell, if turns hold.
func ours(g *sweep.Graded) string {
	rate := g.Verdicts[0].Ours
	switch {
	case rate == 0:
		return ""
	case g.OfBound == 0:
		return fmt.Sprintf(": %.1f t/s", rate)
	}
	return fmt.Sprintf(": %.1f t/s, %.0f %% of its bound", rate, 100*g.OfBound)
}

// against says how qgo stands to another engine.
func against(v *sweep.Verdict) string {
	text := show.Text(v.Engine) + ": " + string(v.Grade)
	if v.Rate > 0 {
		text = fmt.Sprintf("%.2f of %s, %.1f t/s: %s", v.Ratio.Ratio, show.Text(v.Engine), v.Rate, v.Grade)
		if b := sweep.Bounds(v.Ratio); b != "" {
			text = fmt.Sprintf("%.2f (%s) of %s, %.1f t/s: %s", v.Ratio.Ratio, b, show.Text(v.Engine), v.Rate, v.Grade)
		}
	}
	if v.Reason != "" {
		text += ", " + show.Lines(v.Reason)
	}
	return text
}

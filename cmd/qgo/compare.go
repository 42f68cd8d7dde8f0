package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/gguf/show"
)

func newBenchCompare() *cobra.Command {
	across := false
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Say what changed between two files of results, and whether it is noise",
		Long: `compare pairs the results of two files, qgo's or llama-bench's, by engine,
model (name and size of the file), test, batch, threads, device, types of keys
and values and power mode, and tests each pair with the U-test of Mann and
Whitney, as benchstat does: a difference counts if chance alone would make one
as large in fewer than 5 of 100 cases. That takes 4 repetitions of each.

The files also tell the bandwidth around each repetition and what other
programs took of the CPUs. A result is called slower or faster only if that
does not explain the difference; see docs/bench.md.`,
		Example: "  qgo bench compare before.json after.json",
		Args:    exactly(2, "two files of results"),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := format.ReadFile(args[0])
			if err != nil {
				return err
			}
			new, err := format.ReadFile(args[1])
			if err != nil {
				return err
			}
			c, err := bench.Compare(old, new, across)
			switch {
			case errors.Is(err, bench.ErrMachines):
				return fmt.Errorf("%s and %s: %w: --across compares them nevertheless", show.Text(args[0]), show.Text(args[1]), err)
			case err != nil:
				return fmt.Errorf("%s and %s cannot be compared: %w", show.Text(args[0]), show.Text(args[1]), err)
			}
			warnUnmatched(cmd.ErrOrStderr(), c.Unmatched)
			if wantsJSON(cmd) {
				return printJSON(cmd, c)
			}
			printComparison(cmd.OutOrStdout(), c)
			return nil
		},
	}
	cmd.Flags().BoolVar(&across, "across", false, "compare results of different machines, too")
	return cmd
}

// warnUnmatched lists the results that are in one file only.
func warnUnmatched(w io.Writer, results []*bench.Result) {
	if len(results) == 0 {
		return
	}
	fmt.Fprintf(w, "Warning: not compared, because in one file only:\n")
	for _, r := range results {
		fmt.Fprintln(w, wrap("  "+r.FullName(), 80, "    "))
	}
}

// printComparison writes a comparison for a terminal of 80 columns: a table for
// each model and what it ran with.
func printComparison(w io.Writer, c *bench.Comparison) {
	if c.OldMachine != c.NewMachine {
		fmt.Fprintf(w, "old: %s\nnew: %s\n\n", wrap(c.OldMachine, 75, "     "), wrap(c.NewMachine, 75, "     "))
	}
	last := ""
	for i := range c.Changes {
		ch := &c.Changes[i]
		if title := comparedWith(ch); title != last {
			if last != "" {
				fmt.Fprintln(w)
			}
			fmt.Fprintln(w, wrap(title+":", 80, "  "))
			fmt.Fprintf(w, "%-20s %9s %9s %9s   %s\n", "test", "old t/s", "new t/s", "change", "verdict")
			last = title
		}
		verdict, cause := fmt.Sprintf("%s (p=%.3f)", ch.Verdict, ch.P), ch.Cause
		if ch.TooFew {
			verdict, cause = fmt.Sprintf("%s: %d+%d", ch.Verdict, ch.OldN, ch.NewN), ""
		}
		fmt.Fprintf(w, "%-20s %9s %9s %9s   %s\n", clip(ch.New.Test().Name(), 20), figure(ch.OldRate, "%.1f"), figure(ch.NewRate, "%.1f"), fmt.Sprintf("%+.1f %%", 100*ch.Delta), verdict)
		if cause != "" {
			fmt.Fprintln(w, wrap("  "+cause, 80, "  "))
		}
	}
}

// comparedWith names what all tests of a table have in common, and in what the
// old ones differ from the new ones.
func comparedWith(c *bench.Change) string {
	names := []string{bench.LabelModel, bench.LabelBatch, bench.LabelThreads, bench.LabelDevice, bench.LabelLayers, bench.LabelKV, bench.LabelPower}
	if c.New.Engine != "qgo" {
		names = append(names, bench.LabelEngine)
	}
	if len(c.Differs) == 0 {
		return c.New.Words(append(names, bench.LabelKernels, bench.LabelRepack)...)
	}
	before, now := c.Old.Words(c.Differs...), c.New.Words(c.Differs...)
	return fmt.Sprintf("%s, before %s, now %s", c.New.Words(names...), cmp.Or(before, "repacked weights"), cmp.Or(now, "repacked weights"))
}

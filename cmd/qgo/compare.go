package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/format"
)

func newBenchCompare() *cobra.Command {
	return &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Say what changed between two files of results, and whether it is noise",
		Long: `compare matches the results of two files, qgo's or llama-bench's, by engine,
model, test and threads, and tests each pair with the U-test of Mann and
Whitney, as benchstat does: a difference counts if chance alone would make one
as large in fewer than 5 of 100 cases. That takes 4 repetitions of each.`,
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
			changes, unmatched := bench.Compare(old, new)
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"changes": changes, "unmatched": unmatched})
			}
			printChanges(cmd.OutOrStdout(), changes, unmatched)
			return nil
		},
	}
}

func printChanges(w io.Writer, changes []bench.Change, unmatched []*bench.Result) {
	fmt.Fprintf(w, "%-20s %-12s %9s %9s %9s   %s\n", "test", "engine", "old t/s", "new t/s", "change", "verdict")
	for _, c := range changes {
		delta := fmt.Sprintf("%+.1f %%", 100*c.Delta)
		verdict := "noise"
		switch {
		case c.TooFew:
			verdict = fmt.Sprintf("too few: %d+%d", c.OldN, c.NewN)
		case c.Significant && c.Delta < 0:
			verdict = "slower"
		case c.Significant:
			verdict = "faster"
		}
		if !c.TooFew {
			verdict += fmt.Sprintf(" (p=%.3f)", c.P)
		}
		fmt.Fprintf(w, "%-20s %-12s %9.1f %9.1f %9s   %s\n", clip(c.New.Test().Name(), 20), clip(c.New.Engine, 12), c.OldRate, c.NewRate, delta, verdict)
	}
	if len(unmatched) > 0 {
		fmt.Fprintf(w, "\n%d results are in one file only:\n", len(unmatched))
		for _, r := range unmatched {
			fmt.Fprintf(w, "  %s, %s, %s, %s\n", clip(r.Test().Name(), 20), clip(r.Engine, 20), clip(r.Devices(), 30), clip(filepath.Base(r.ModelFilename), 26))
		}
	}
}

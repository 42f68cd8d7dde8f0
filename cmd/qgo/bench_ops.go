package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/gguf/show"
)

// printOps says where the time of each test went, if operations were profiled.
func (b *benchFlags) printOps(cmd *cobra.Command, r *bench.Report) {
	if !b.plan.Ops || cmd.Flag("output").Value.String() != "text" {
		return
	}
	for _, res := range r.Results {
		for _, ops := range res.OpPhases() {
			printOpTable(cmd.OutOrStdout(), res, ops)
		}
	}
}

// printOpTable writes the operations of a phase, of which the last is their sum.
func printOpTable(w io.Writer, res *bench.Result, ops []bench.Op) {
	all := &ops[len(ops)-1]
	fmt.Fprintf(w, "\nWhere the time of %s goes (%s):\n\n", show.Text(res.Test().Name()), all.Phase)
	row := func(texts []string) {
		fmt.Fprintf(w, "%-16s %8s %10s %8s %9s %10s %8s\n", clip(texts[0], 16), texts[1], texts[2], texts[3], texts[4], texts[5], texts[6])
	}
	row(bench.OpHeads)
	for i := range ops {
		row(ops[i].Figures(all))
	}
	fmt.Fprintln(w, all.ProfileCost())
}

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
	fmt.Fprintf(w, "\nWhere the time of %s goes (%s):\n\n%-16s %8s %10s %8s %9s %10s %8s\n", show.Text(res.Test().Name()), all.Phase, "operation", "of time", "ms/token", "GB/s", "GFLOP/s", "bound, ms", "of it")
	for i := range ops {
		op := &ops[i]
		fmt.Fprintf(w, "%-16s %6.1f %% %10.4f", clip(op.Op, 16), 100*op.NS/all.NS, op.NS/1e6)
		if op.BoundNS > 0 && op.NS > 0 {
			fmt.Fprintf(w, " %8.1f %9.1f %10.4f %6.0f %%", op.Bytes/op.NS, op.FLOP/op.NS, op.BoundNS/1e6, 100*op.OfBound())
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "profiling took %.1f %% (quartiles %.1f to %.1f of %d pairs)\n", 100*(all.Ratio-1), 100*(all.RatioLow-1), 100*(all.RatioHigh-1), all.Pairs)
}

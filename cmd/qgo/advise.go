package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench/roofline"
	"qgo/model"
	"qgo/model/hub"
)

func newAdvise() *cobra.Command {
	var (
		machine   machineFlags
		o         model.Options
		context   int
		minDecode float64
		all       bool
	)
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Say which model, size and quantisation suit a machine",
		Long: `advise surveys every model that 'qgo pull' knows by name for a machine: whether
it fits, the longest text that fits, the rates that the roofline allows in the
middle of it, and what the quantisation loses. Without --profile it measures
this machine. What holds for qwen2.5-SIZE:TYPE holds for qwen2.5-coder-SIZE:TYPE.

The loss is the mean KL divergence from f16, in nats a token, measured on the
small built-in model; larger models lose less, in about the same order.`,
		Example: `  qgo advise --profile jetson-nano
  qgo advise --profile raspberry-pi-5 --ctx 8192 --all
  qgo advise -o json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if context < 1 || minDecode < 0 {
				return usagef(cmd, "--ctx must be 1 or more and --min-decode 0 or more")
			}
			m, _, err := machine.machine(cmd, 0)
			if err != nil {
				return err
			}
			list, err := roofline.Advise(&m, context, o)
			if err != nil {
				return err
			}
			best, ok := roofline.Recommend(list, minDecode)
			if wantsJSON(cmd) {
				answer := map[string]any{"machine": m, "context": context, "models": list}
				if ok {
					answer["recommended"] = best.Name()
				}
				return printJSON(cmd, answer)
			}
			printAdvice(cmd.OutOrStdout(), &m, list, context, all)
			if ok {
				fmt.Fprintf(cmd.OutOrStdout(), "\nBest for chat: %s, the largest that fits, decodes at\n%.0f t/s or more and loses no more than q4_0.\n", best.Name(), minDecode)
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "\nNone fits and can decode at %.0f t/s: --ctx or --min-decode lower may help.\n", minDecode)
			}
			return nil
		},
	}
	f := cmd.Flags()
	machine.add(f)
	f.IntVar(&context, "ctx", model.DefaultContext, "longest text in tokens")
	kvFlag(f, &o.KV)
	f.Float64Var(&minDecode, "min-decode", 10, "tokens/s that decode must be able to reach")
	f.BoolVar(&all, "all", false, "list what does not fit, too")
	return cmd
}

func printAdvice(w io.Writer, m *roofline.Machine, list []roofline.Advice, context int, all bool) {
	peak, typ := m.Peak()
	fmt.Fprintf(w, "%s\n%.1f GB/s, %s in %s, %s of memory for a model; context %d\n\n",
		m.Title, m.Bandwidth/1e9, rateText(peak), typ, bytesText(m.Available()), context)
	fmt.Fprintf(w, "%-19s %7s %7s %8s %11s %12s %6s\n", "model", "file", "memory", "longest", "decode t/s", "prefill t/s", "loss")
	hidden := 0
	for _, a := range list {
		if !a.Fit.Fits() && !all {
			hidden++
			continue
		}
		loss := "?"
		if a.Divergence >= 0 {
			loss = fmt.Sprintf("%.3f", a.Divergence)
		}
		fmt.Fprintf(w, "%-19s %7s %7s %8s %11s %12s %6s\n", a.Name(), bytesText(a.FileBytes), bytesText(a.Fit.Need),
			longest(a.Fit), fmt.Sprintf("≤ %.1f", a.Decode), fmt.Sprintf("≤ %.0f", a.Prefill), loss)
	}
	fmt.Fprintf(w, "\nThe same holds for qwen2.5-coder-SIZE:TYPE (%s).\n", strings.Join(hub.Lines[1].Sizes, ", "))
	if hidden > 0 {
		fmt.Fprintf(w, "%d more do not fit (--all lists them).\n", hidden)
	}
}

// longest is the longest context that fits, in words.
func longest(f roofline.Fit) string {
	if f.LongestContext == 0 {
		return "no"
	}
	return fmt.Sprint(f.LongestContext)
}

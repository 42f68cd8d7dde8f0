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
it fits and leaves the system some memory, the longest text that fits, the rates
in the middle of it, and what the quantisation loses. Rates are what the roofline
allows, times what qgo reaches of that on such a machine as far as it is known.
Without --profile it measures this machine. What holds for qwen2.5-SIZE:TYPE holds
for qwen2.5-coder-SIZE:TYPE.

The loss is by how much a published measurement of that size has a higher
perplexity than f16; a question mark says that there is none.`,
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
				fmt.Fprintln(cmd.OutOrStdout(), "\n"+wrap(fmt.Sprintf("Best for chat: %s, of the largest that fit and decode at %.0f t/s or more the smallest that loses at most 1 %% more than the best.", best.Name(), minDecode), 80, ""))
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "\nNone fits and decodes at %.0f t/s: --ctx or --min-decode lower may help.\n", minDecode)
			}
			return nil
		},
	}
	f := cmd.Flags()
	machine.add(f)
	f.IntVar(&context, "ctx", model.DefaultContext, "longest text in tokens")
	kvFlag(f, &o.KV)
	f.Float64Var(&minDecode, "min-decode", 10, "tokens/s at which it must decode")
	f.BoolVar(&all, "all", false, "list what does not fit, too")
	return cmd
}

func printAdvice(w io.Writer, m *roofline.Machine, list []roofline.Advice, context int, all bool) {
	peak, typ := m.Peak()
	fmt.Fprintf(w, "%s\n%.1f GB/s, %s in %s, %s of memory for a model; context %d\n",
		m.Title, m.Bandwidth/1e9, rateText(peak), typ, bytesText(m.Comfortable()), context)
	mark := "≤ "
	if r := m.Reach; r != nil {
		mark = "~ "
		fmt.Fprintln(w, wrap(fmt.Sprintf("Rates are %.0f %% of decode's bound and %.0f %% of prefill's: %s.", 100*r.Decode, 100*r.Prefill, r.Basis), 80, ""))
	} else {
		fmt.Fprintln(w, "Rates are bounds: what qgo reaches of them on such a machine is not known.")
	}
	fmt.Fprintf(w, "\n%-19s %7s %7s %8s %11s %12s %8s\n", "model", "file", "memory", "longest", "decode t/s", "prefill t/s", "loss")
	hidden := 0
	for _, a := range list {
		if !a.Fit.Fits() && !all {
			hidden++
			continue
		}
		loss := "?"
		if a.Loss != nil {
			loss = fmt.Sprintf("%.1f %%", 100**a.Loss)
		}
		fmt.Fprintf(w, "%-19s %7s %7s %8s %11s %12s %8s\n", a.Name(), bytesText(a.FileBytes), bytesText(a.Fit.Need),
			longest(a.Fit), mark+fmt.Sprintf("%.1f", a.ExpectDecode), mark+fmt.Sprintf("%.0f", a.ExpectPrefill), loss)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, wrap("Loss: "+roofline.LossSource+".", 80, ""))
	fmt.Fprintln(w, wrap(fmt.Sprintf("Sizes and rates hold for qwen2.5-coder-SIZE:TYPE too (%s).", strings.Join(hub.Lines[1].Sizes, ", ")), 80, ""))
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

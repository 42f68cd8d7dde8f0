package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// powerRoot is where power modes are set; tests have their own.
var powerRoot = "/"

// checkPower checks that all power modes can be set on this machine.
func (b *benchFlags) checkPower(cmd *cobra.Command) (err error) {
	if !cmd.Flags().Changed("power-modes") {
		return nil
	}
	p := &b.plan
	p.Power = machine.NewPowerControl(powerRoot)
	if p.PowerModes, err = p.Power.Parse(b.power); err != nil {
		return usagef(cmd, "--power-modes: %w", err)
	}
	return nil
}

// restorePower makes sure that the original power mode is restored even if the
// program is ended at once. Call restored with the plan's error after the plan: on a
// signal nothing else reports that the restore failed.
func (b *benchFlags) restorePower(cmd *cobra.Command) (restored func(error)) {
	if b.plan.Power == nil {
		return func(error) {}
	}
	say := func(err error) {
		fmt.Fprintln(cmd.ErrOrStderr(), "qgo: "+show.Lines(err.Error()))
	}
	done := atExit(cmd.Context(), func() {
		if err := b.plan.Power.Restore(); err != nil {
			say(err)
		}
	})
	return func(err error) {
		done()
		if failed, ok := errors.AsType[*machine.RestoreError](err); ok && signalOf(cmd.Context()) != nil {
			say(failed)
		}
	}
}

// modeWidth is the width of the column of power modes.
const modeWidth = 35

// printPower compares power modes, if there are several.
func printPower(w io.Writer, r *bench.Report) {
	all := bench.BestModes(r.Results)
	if len(all) == 0 {
		return
	}
	known := slices.ContainsFunc(all, func(b bench.BestMode) bool { return b.Thrifty != nil })
	title, columns := "Rates by power mode", ""
	if known {
		title, columns = "Tokens per joule by power mode", fmt.Sprintf(" %7s %8s", "W", "tokens/J")
	}
	last := ""
	for _, b := range all {
		fewer := slices.Contains(bench.Varying(b.All), bench.LabelThreads) // where a mode has switched CPUs off
		told := []string{bench.LabelPower}
		if fewer {
			told = append(told, bench.LabelThreads)
		}
		if of := title + ", " + b.Fastest.Words(bench.LabelModel) + varied(r, b.Fastest, told...); of != last {
			last = of
			fmt.Fprintf(w, "\n%s:\n%-*s %-16s %9s%s\n", wrap(of, 79, "  "), modeWidth, "mode", "test", "t/s", columns)
		}
		for _, res := range b.All {
			with := ""
			if fewer {
				with = ", " + bench.Threads(res.Threads)
			}
			printMode(w, res, with, known)
		}
	}
	fmt.Fprintln(w)
	varying := bench.Varying(bench.Own(r.Results))
	varying = slices.DeleteFunc(varying, func(name string) bool { return name == bench.LabelPower })
	for _, b := range all {
		fmt.Fprintln(w, wrap(b.Fastest.Subject(varying)+" "+bestMode(&b)+".", 80, "  "))
	}
	switch why := r.Machine.NoPower; {
	case known:
	case why == "":
		fmt.Fprintln(w, "Tokens per joule are missing: the run was too short for the power sensors.")
	default:
		fmt.Fprintln(w, wrap("Tokens per joule are missing: this machine has no power sensor that may be read: "+show.Text(why)+".", 80, "  "))
	}
}

// printMode writes a row of the table of power modes; with stands behind the
// mode.
func printMode(w io.Writer, res *bench.Result, with string, energy bool) {
	mode, name := clip(string(res.PowerMode), max(modeWidth-len(with), 1))+with, res.Test().Name()
	if res.Incomplete {
		name += " *"
	}
	line := fmt.Sprintf("%-*s %-16s %9s", modeWidth, mode, clip(name, 16), figure(res.Rates().Median(), "%.1f"))
	if energy {
		line += fmt.Sprintf(" %7s %8s", figure(res.Watts(), "%.1f"), figure(res.TokensPerJoule(), "%.3g"))
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// bestMode says in which mode a test is fastest, and in which it takes the least
// energy.
func bestMode(b *bench.BestMode) string {
	fast, thrifty := b.Fastest, b.Thrifty
	name := func(r *bench.Result) string { return show.Text(string(r.PowerMode)) }
	text := fmt.Sprintf("is fastest in the mode %s (%.1f t/s)", name(fast), fast.Rates().Median())
	switch {
	case thrifty == nil:
	case thrifty == fast:
		text += fmt.Sprintf(", in which a joule is also enough for the most tokens (%.3g)", fast.TokensPerJoule())
	default:
		text += fmt.Sprintf("; a joule is enough for the most tokens (%.3g) in the mode %s, at %.0f %% of that rate", thrifty.TokensPerJoule(), name(thrifty), 100*thrifty.Rates().Median()/fast.Rates().Median())
	}
	return text
}

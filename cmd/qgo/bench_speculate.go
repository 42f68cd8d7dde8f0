package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/bench"
	"qgo/bench/speculate"
	"qgo/gguf"
	"qgo/kernels"
	"qgo/model"
	"qgo/model/demo"
)

// demoModel is what --model of bench --speculate names the demonstration model by.
const demoModel = "demo"

// Defaults of bench --speculate.
const (
	speculatePairs  = 10
	speculateAnswer = 400 // tokens
)

// besideSpeculate are the flags that bench --speculate takes.
var besideSpeculate = []string{"speculate", "model", "decode", "reps", "threads", "no-pin", "kv", "no-repack", "tier", "fast", "device", "gpu-layers", "help"}

// speculatePlan turns the flags into a plan, and the model's into those of a command
// that loads one.
func (b *benchFlags) speculatePlan(cmd *cobra.Command) (*modelFlags, *speculate.Plan, error) {
	p := &speculate.Plan{Reps: speculatePairs, Answer: speculateAnswer}
	m := &modelFlags{device: b.device, options: b.plan.Options}
	var err error
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if err == nil && f.Changed && !slices.Contains(besideSpeculate, f.Name) {
			err = usagef(cmd, "--%s does not go with --speculate: leave one of them out", f.Name)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	if form := cmd.Flag("output").Value.String(); form != "text" && form != "json" {
		return nil, nil, usagef(cmd, "--output is %s: with --speculate choose text or json", form)
	}
	if len(b.models) > 1 {
		return nil, nil, usagef(cmd, "--model has %s: --speculate measures one", english.Plural(len(b.models), "model", ""))
	}
	if len(b.models) == 1 {
		m.path = b.models[0]
	}
	if m.options.Threads, err = oneNumber(cmd, "threads", b.threads, 0, kernels.CPUs()); err != nil {
		return nil, nil, err
	}
	if cmd.Flags().Changed("decode") {
		if p.Answer, err = oneNumber(cmd, "decode", b.decodes, speculate.MinAnswer, speculate.MaxAnswer); err != nil {
			return nil, nil, err
		}
	}
	if cmd.Flags().Changed("reps") {
		if p.Reps = b.plan.Reps; p.Reps < 1 || p.Reps > maxReps {
			return nil, nil, usagef(cmd, "--reps is %d: choose 1 to %d", p.Reps, maxReps)
		}
	}
	return m, p, nil
}

// oneNumber reads a list that must have one number within limits.
func oneNumber(cmd *cobra.Command, flag, list string, least, most int) (int, error) {
	all, err := bench.ParseInts(list)
	if err != nil {
		return 0, usagef(cmd, "--%s: %w", flag, err)
	}
	if len(all) > 1 || all[0] < least || all[0] > most {
		return 0, usagef(cmd, "--%s is %s: with --speculate choose one number from %d to %d", flag, list, least, most)
	}
	return all[0], nil
}

// speculate measures what guesses are worth.
func (b *benchFlags) speculate(cmd *cobra.Command) error {
	flags, p, err := b.speculatePlan(cmd)
	if err != nil {
		return err
	}
	if flags.options.Context, err = p.Context(); err != nil {
		return err
	}
	m, err := flags.loadForSpeculate(cmd)
	if err != nil {
		return err
	}
	defer m.Close()
	r := &speculate.Report{Schema: speculate.Schema, Started: time.Now().UTC(), Model: filepath.Base(m.File.Name), KV: m.KVType(), Kinds: []*speculate.Kind{}}
	r.Devices = (&bench.Result{Threads: m.Threads()}).Devices()
	err = watched(cmd, func(ctx context.Context, progress func(bench.Status)) error {
		p.Progress = progress
		return p.Run(ctx, m, r)
	})
	if len(r.Kinds) == 0 {
		return err
	}
	r.Interrupted = cmd.Context().Err() != nil
	if wantsJSON(cmd) {
		return errors.Join(err, printJSON(cmd, r))
	}
	printSpeculate(cmd.OutOrStdout(), r)
	return err
}

// loadForSpeculate loads the model: one that is made, the demonstration model, or a
// file.
func (m *modelFlags) loadForSpeculate(cmd *cobra.Command) (*model.Model, error) {
	switch _, err := os.Stat(m.path); {
	case m.path == "":
		return m.loadMade(cmd, bench.Synthetic)
	case m.path == demoModel && err != nil:
		return m.loadMade(cmd, demo.Open)
	}
	return m.load(cmd)
}

// loadMade loads a model that is not in a file of the user's.
func (m *modelFlags) loadMade(cmd *cobra.Command, open func() (*gguf.File, error)) (*model.Model, error) {
	if err := m.device.apply(cmd, &m.options); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	loaded, err := m.loadFile(cmd, f)
	if err != nil {
		return nil, err
	}
	m.notes(cmd, loaded)
	return loaded, nil
}

// watched shows progress while it measures.
func watched(cmd *cobra.Command, measure func(ctx context.Context, progress func(bench.Status)) error) error {
	progress := newBenchProgress(cmd)
	progress.begin()
	defer progress.end()
	return measure(cmd.Context(), progress.set)
}

// printSpeculate writes a report for a terminal of 80 columns.
func printSpeculate(w io.Writer, r *speculate.Report) {
	longest, same := 0, 0
	for _, k := range r.Kinds {
		longest = max(longest, k.Answer)
		if k.Name == speculate.OwnText {
			same = 2 * len(k.Turns)
		}
	}
	whose := "the model's own vocabulary"
	if r.Vocabulary == speculate.Demo {
		whose = "the vocabulary of the demonstration model, for this model's is made up"
	}
	fmt.Fprintln(w, wrap(fmt.Sprintf("%s by qgo, %s, %s KV cache", clip(r.Model, 60), clip(r.Devices, 70), r.KV), 80, "  "))
	fmt.Fprintln(w, wrap(fmt.Sprintf("Answers of at most %s, without guesses and with them in turns (%s). Given texts are cut into tokens by %s.",
		count(longest, "token"), count(r.Reps, "pair"), whose), 80, ""))
	fmt.Fprintf(w, "\n%-12s %7s %7s %9s   %-14s %11s %7s\n", "", "", "tokens/s", "times as", "", "guesses", "of all")
	fmt.Fprintf(w, "%-12s %7s %7s %9s   %-14s %11s %7s\n", "text", "without", "with", "fast", "from to", "right", "tokens")
	for _, k := range r.Kinds {
		name := k.Name
		if k.Incomplete {
			name += " *"
		}
		fmt.Fprintf(w, "%-12s %7s %7s %9.2f   %-14s %9.0f %% %5.0f %%\n", name, digits(k.PlainTS), digits(k.GuessedTS), k.Times,
			fmt.Sprintf("%.2f to %.2f", k.TimesLeast, k.TimesMost), 100*k.Right, 100*k.OfTokens)
	}
	if same > 0 {
		fmt.Fprintln(w, "\n"+wrap(fmt.Sprintf("What the model wrote itself was the same, token by token, in %s.", count(same, "turn")), 80, ""))
	}
	if r.Interrupted {
		fmt.Fprintln(w, "\nThe run was broken off: what is marked with * is not complete.")
	}
}

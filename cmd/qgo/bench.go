package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf/show"
	"qgo/kernels"
)

// benchFlags are those of bench.
type benchFlags struct {
	models                                     []string
	prompts, decodes, depths, threads, batches string
	scenario                                   string
	given                                      machineFlags
	plan                                       bench.Plan
	known                                      []*bench.Result // of a baseline that was measured before
	seconds, delay                             float64
	baselines                                  []string
	device                                     deviceFlags
	out                                        outputs
	power                                      string
	guesses                                    bool // measure what they are worth
}

func newBench() *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure prefill and decode against what the machine allows",
		Long: `bench measures how fast a model reads a prompt (prefill) and writes an answer
(decode), probes the memory's bandwidth around every repetition, and says how
near both come to their bounds: every token must read all weights once, and
must multiply them. What a GPU computes (--device) is judged by the GPU's own
memory, arithmetic and launches.

Without --model it makes a model of the shape of Qwen2.5-0.5B in q4_0 with
random weights in memory, which is as fast or slow as the real one.

Lists of numbers may have ranges as in llama-bench: 1,2,4 or 0-2048+512 or
128-1024*2. docs/bench.md defines what is measured and the forms of output.`,
		Example: `  qgo bench
  qgo bench --model qwen2.5-0.5b-instruct-q4_0.gguf
  qgo bench --model a.gguf,b.gguf -p 512 -n 128 -d 0,2048 -t 1,2 -o md
  qgo bench --model a.gguf --scenario all --report report.html
  qgo bench --model a.gguf --device cuda:0 -d 0,2048
  sudo qgo bench --model a.gguf --power-modes as-is,governor=powersave+rapl=15
  qgo bench --model a.gguf --baseline llama-bench=/usr/bin/llama-bench
  qgo bench --model a.gguf --baseline openai=http://localhost:8080
  qgo bench --speculate --model demo
  qgo bench report a.json b.json --out report.html
  qgo bench compare before.json after.json`,
		Annotations: map[string]string{outputsKey: "text json jsonl csv md benchstat"},
		Args:        exactly(0, "no arguments, or report or compare"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&b.models, "model", "m", nil, "model files (GGUF)")
	f.StringVarP(&b.prompts, "prefill", "p", "512", "tokens of the prompt (0: do not measure)")
	f.StringVarP(&b.decodes, "decode", "n", "128", "tokens to generate (0: do not measure)")
	f.StringVarP(&b.depths, "depth", "d", "0", "tokens in the KV cache before both")
	f.StringVarP(&b.threads, "threads", "t", "0", "worker threads (0: one per physical core)")
	f.StringVarP(&b.batches, "batch", "b", "0", "tokens of a batch in prefill (0: 512, or what keeps the GPU busy)")
	f.StringVar(&b.power, "power-modes", "", "power modes to measure in, one after the other: as-is, governor=NAME, maxfreq=GHZ, rapl=WATTS, nvpmodel=ID, or several joined by +")
	f.StringVar(&b.scenario, "scenario", "", "requests with their text instead: chat, rag-style and so on, or all")
	f.IntVarP(&b.plan.Reps, "reps", "r", 0, "repetitions (default 5; of scenarios 1)")
	f.Float64Var(&b.seconds, "seconds", 0, "repeat each test for at least so many seconds")
	f.Float64Var(&b.delay, "delay", 0, "seconds to wait before each repetition")
	f.BoolVar(&b.plan.Load, "load", false, "measure how long loading takes, cold and warm")
	f.BoolVar(&b.plan.Ops, "profile-ops", false, "say which operations the time goes to; does every repetition twice")
	f.BoolVar(&b.guesses, "speculate", false, "measure what guesses of how a text goes on are worth, by kind of text, and nothing else")
	f.StringArrayVar(&b.baselines, "baseline", nil, "llama-bench=PATH, openai=URL, a file of results, or nano-study (may be repeated)")
	f.BoolVar(&b.plan.Options.Unpinned, "no-pin", false, "let the system move threads between cores")
	f.IntVar(&b.plan.Options.Context, "ctx", 0, "longest text in tokens (0: what the tests need)")
	kvFlag(f, &b.plan.Options.KV)
	f.BoolVar(&b.plan.Options.NoRepack, "no-repack", false, "compute on the weights as they are in the file: less memory, slower")
	f.StringVar(&b.plan.Options.Tier, "tier", "", "kernels to use (see 'qgo devices'; default: the fastest)")
	f.BoolVar(&b.plan.Options.Fast, "fast", false, fastUsage)
	b.device.add(f)
	b.given.add(f)
	b.out.add(f)
	cmd.AddCommand(newBenchReport(), newBenchCompare(), newBenchVerify(), newBenchBoard(), newBenchUsers(), newBenchSweep(), newBenchGrade())
	return cmd
}

func (b *benchFlags) run(cmd *cobra.Command) error {
	if b.guesses {
		return b.speculate(cmd)
	}
	if err := b.check(cmd); err != nil {
		return err
	}
	if err := b.device.apply(cmd, &b.plan.Options); err != nil {
		return err
	}
	if err := b.out.open(); err != nil {
		return err
	}
	defer b.out.abandon()
	progress := newBenchProgress(cmd)
	b.plan.Progress = progress.set
	progress.begin()
	restored := b.restorePower(cmd)
	report, err := b.plan.Run(cmd.Context())
	restored(err)
	progress.end()
	printWarnings(cmd, report)
	if len(report.Results) == 0 {
		return err
	}
	report.Results = append(report.Results, b.known...)
	err = errors.Join(err, b.out.write(cmd, report, err == nil))
	b.printOps(cmd, report)
	return err
}

// printWarnings says on the standard error what makes a report doubtful, whatever
// form it is printed in.
func printWarnings(cmd *cobra.Command, r *bench.Report) {
	for _, warning := range r.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), wrap("Warning: "+show.Lines(warning)+".", 80, "  "))
	}
}

// check turns the flags into the plan.
func (b *benchFlags) check(cmd *cobra.Command) error {
	p := &b.plan
	lists := map[string][]int{}
	for _, l := range []struct{ flag, value string }{
		{"prefill", b.prompts}, {"decode", b.decodes}, {"depth", b.depths}, {"threads", b.threads}, {"batch", b.batches},
	} {
		ints, err := bench.ParseInts(l.value)
		if err != nil {
			return usagef(cmd, "--%s: %w", l.flag, err)
		}
		lists[l.flag] = ints
	}
	p.Threads, p.Batches = once(lists["threads"], kernels.Cores()), once(lists["batch"], 0)
	if n, cpus := slices.Max(p.Threads), kernels.CPUs(); n > cpus {
		return usagef(cmd, "--threads is %d, and qgo may use %s: choose 0 to %d", n, english.Plural(cpus, "CPU", ""), cpus)
	}
	if b.scenario != "" {
		var err error
		if p.Tests, err = bench.ParseScenarios(b.scenario); err != nil {
			return usagef(cmd, "%w", err)
		}
	} else {
		p.Tests = tests(lists["prefill"], lists["decode"], lists["depth"])
	}
	if len(p.Tests) == 0 {
		return usagef(cmd, "there is nothing to measure: --prefill and --decode are both 0")
	}
	if err := b.checkRepeats(cmd); err != nil {
		return err
	}
	if err := b.checkPower(cmd); err != nil {
		return err
	}
	p.AtLeast, p.Delay = seconds(b.seconds), seconds(b.delay)
	for _, name := range b.models {
		path, err := findModel(name)
		if err != nil {
			return err
		}
		if !slices.Contains(p.Models, path) {
			p.Models = append(p.Models, path)
		}
	}
	if len(p.Models) == 0 {
		p.Models = []string{""}
	}
	if err := b.giveBound(cmd); err != nil {
		return err
	}
	for _, s := range b.baselines {
		if err := b.addBaseline(cmd, s); err != nil {
			return err
		}
	}
	return nil
}

// Limits of how often and how long tests are repeated.
const (
	maxReps    = 1_000_000
	maxSeconds = 7 * 24 * 3600
)

// checkRepeats checks how often tests are repeated; by default 5 times, and
// scenarios once.
func (b *benchFlags) checkRepeats(cmd *cobra.Command) error {
	p := &b.plan
	switch {
	case !cmd.Flags().Changed("reps"):
		if p.Reps = 5; b.scenario != "" {
			p.Reps = 1
		}
	case p.Reps < 1 || p.Reps > maxReps:
		return usagef(cmd, "--reps is %d: choose 1 to %d", p.Reps, maxReps)
	}
	for flag, s := range map[string]float64{"seconds": b.seconds, "delay": b.delay} {
		if !(s >= 0 && s <= maxSeconds) {
			return usagef(cmd, "--%s is %g: choose 0 to %d", flag, s, maxSeconds)
		}
	}
	if p.Options.Context < 0 {
		return usagef(cmd, "--ctx is %d: choose 0 or more", p.Options.Context)
	}
	return nil
}

// giveBound sets the machine that rates are shown beside: without flags the
// Jetson Nano, as a reference and not as this machine's measure.
func (b *benchFlags) giveBound(cmd *cobra.Command) error {
	if err := b.given.check(cmd); err != nil {
		return err
	}
	name := b.given.profile
	if name == "" && b.given.bound > 0 {
		b.plan.Given = roofline.Machine{Name: "given", Title: "the given bound"}
	} else {
		if name == "" {
			name = "jetson-nano"
		}
		m, err := roofline.ProfileByName(name)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		b.plan.Given = *m
	}
	if b.given.bound > 0 {
		b.plan.Given.Bandwidth = b.given.bound * 1e9
	}
	return nil
}

// tests are all combinations; 0 tokens of a phase leave it out.
func tests(prompts, decodes, depths []int) (all []bench.Test) {
	for _, d := range depths {
		for _, p := range prompts {
			if t := (bench.Test{Prompt: p, Depth: d}); p > 0 && !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
		for _, n := range decodes {
			if t := (bench.Test{Gen: n, Depth: d}); n > 0 && !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// once returns each number of a list once, in their order; 0 stands for usual.
func once(list []int, usual int) (all []int) {
	for _, n := range list {
		if n = cmp.Or(n, usual); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

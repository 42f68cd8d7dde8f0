package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/gguf"
	"qgo/model"
	"qgo/model/synth"
)

// nanoBandwidth is that of the Jetson Nano's memory in bytes a second, by its
// data sheet: the reference that qgo's figures are set beside.
const nanoBandwidth = 25.6e9

func newBench() *cobra.Command {
	var (
		m    modelFlags
		spec bench.Spec
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure prefill and decode against what the machine allows",
		Long: `bench measures how fast a model reads a prompt (prefill) and writes an answer
(decode), probes the memory's bandwidth around it, and says how near decode
comes to the bound: every token must read all weights once.

Without --model it makes a model of the shape of Qwen2.5-0.5B in q4_0 with
random weights in memory, which is as fast or slow as the real one.`,
		Example: `  qgo bench
  qgo bench --model qwen2.5-0.5b-instruct-q4_0.gguf
  qgo bench --depth 2048 --threads 1 -o json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if spec.Prefill < 0 || spec.Decode < 0 || spec.Depth < 0 || spec.Reps < 1 {
				return usagef(cmd, "--prefill, --decode and --depth must be 0 or more, --reps 1 or more")
			}
			if spec.Prefill == 0 && spec.Decode == 0 {
				return usagef(cmd, "there is nothing to measure: --prefill and --decode are both 0")
			}
			if !cmd.Flags().Changed("ctx") {
				m.options.Context = spec.Depth + max(spec.Prefill, spec.Decode)
			}
			status := func(bench.Step) {}
			if isTerminal(cmd.ErrOrStderr()) {
				status = func(s bench.Step) { fmt.Fprintf(cmd.ErrOrStderr(), "\r\033[Kmeasuring: %s", s) }
				defer fmt.Fprint(cmd.ErrOrStderr(), "\r\033[K")
			}
			f, err := benchFile(m.path, func() { status("making a model") })
			if err != nil {
				return err
			}
			loaded, err := model.Load(f, m.options)
			if err != nil {
				return errors.Join(err, f.Close())
			}
			defer loaded.Close()
			r, err := bench.Run(cmd.Context(), loaded, spec, status)
			if err != nil {
				return err
			}
			status("done")
			if isTerminal(cmd.ErrOrStderr()) {
				fmt.Fprint(cmd.ErrOrStderr(), "\r\033[K")
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, r)
			}
			printBench(cmd.OutOrStdout(), f.Name, r)
			return nil
		},
	}
	f := cmd.Flags()
	m.add(f)
	f.IntVar(&spec.Prefill, "prefill", 512, "tokens of the prompt (0: do not measure)")
	f.IntVar(&spec.Decode, "decode", 128, "tokens to generate (0: do not measure)")
	f.IntVar(&spec.Depth, "depth", 0, "tokens in the KV cache before both")
	f.IntVarP(&spec.Reps, "reps", "r", 3, "repetitions")
	return cmd
}

func benchFile(path string, making func()) (*gguf.File, error) {
	if path != "" {
		path, err := findModel(path)
		if err != nil {
			return nil, err
		}
		return gguf.Open(path)
	}
	making()
	spec, err := synth.ParseSpec("0.5b", "q4_0")
	if err != nil {
		return nil, err
	}
	return synth.Build(spec)
}

func printBench(w io.Writer, name string, r *bench.Result) {
	fmt.Fprintf(w, "%s\n%s, %d threads, %s kernels\n\n", name, cpuName(), r.Threads, r.Tier)
	bandwidth := r.Bandwidth.Median()
	var probes []string
	for _, b := range r.Bandwidth {
		probes = append(probes, fmt.Sprintf("%.1f", b/1e9))
	}
	fmt.Fprintf(w, "memory bandwidth  %6.1f GB/s   read by %d threads (before, between and after: %s)\n", bandwidth/1e9, r.Threads, strings.Join(probes, ", "))
	if len(r.Prefill) > 0 {
		fmt.Fprintf(w, "prefill %-5d     %6.1f t/s    ± %.1f, %.0f GFLOP/s\n", r.Spec.Prefill, r.Prefill.Median(), r.Prefill.Stddev(), r.PrefillFLOP()/1e9)
	}
	if len(r.Decode) > 0 {
		rate, bytes := r.Decode.Median(), r.DecodeBytes()
		fmt.Fprintf(w, "decode %-5d      %6.1f t/s    ± %.1f, %.1f GB/s, which is %.0f %% of the bandwidth\n",
			r.Spec.Decode, rate, r.Decode.Stddev(), rate*bytes/1e9, 100*rate*bytes/bandwidth)
		fmt.Fprintf(w, "\nEvery token reads %s, so the bandwidth bounds decode at %.1f t/s here;\n", bytesText(bytes), bandwidth/bytes)
		fmt.Fprintf(w, "at the 25.6 GB/s of a Jetson Nano the bound is %.1f t/s.\n", nanoBandwidth/bytes)
	}
	if len(r.Bandwidth) > 0 && bandwidthSpread(r) > 1.2 {
		fmt.Fprintln(w, "\nThe bandwidth changed during the run: other programs or the host share the memory.")
	}
}

// bandwidthSpread is the ratio of the best to the worst probe.
func bandwidthSpread(r *bench.Result) float64 {
	lo, hi := r.Bandwidth[0], r.Bandwidth[0]
	for _, b := range r.Bandwidth {
		lo, hi = min(lo, b), max(hi, b)
	}
	return hi / lo
}

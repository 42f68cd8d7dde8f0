package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qgo/kernels"
	"qgo/model"
	"qgo/model/convert"
	"qgo/quant"
)

func newQuantize() *cobra.Command {
	var (
		m       modelFlags
		threads int
	)
	cmd := &cobra.Command{
		Use:   "quantize IN OUT TYPE",
		Short: "Write a model with smaller weights",
		Long: `quantize reads a model with f16, bf16 or f32 weights and writes it quantised,
with the type for each tensor that llama-quantize would choose. TYPE is one of
` + strings.Join(mixNames(), ", ") + `.

The new file appears when it is complete. Only a few megabytes are in memory at
a time.`,
		Example: `  qgo quantize qwen2.5-0.5b-instruct-fp16.gguf qwen2.5-0.5b-instruct-q4_k_m.gguf q4_k_m
  qgo quantize --threads 1 IN OUT q8_0`,
		ValidArgsFunction: completeQuantize,
		Args:              exactly(3, "three arguments, for example in-f16.gguf out-q4_0.gguf q4_0"),
		RunE: func(cmd *cobra.Command, args []string) error {
			mix, err := quant.ParseMix(args[2])
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if threads < 0 || threads > 1024 {
				return usagef(cmd, "--threads is %d: choose 1 to 1024, or 0 for one per core", threads)
			}
			if threads == 0 {
				threads = kernels.Cores()
			}
			m.path = args[0]
			f, err := m.file(cmd)
			if err != nil {
				return err
			}
			defer f.Close()
			// A file that could not be loaded would make one that cannot either.
			if _, _, _, err := model.Survey(f, model.Options{}); err != nil {
				return err
			}
			before, start := f.Size(), time.Now()
			bar := newProgress(cmd, mix.Name)
			err = convert.Quantize(cmd.Context(), f, args[1], mix, threads, bar.set)
			bar.end()
			if err != nil {
				return err
			}
			took := time.Since(start)
			out, err := os.Stat(args[1])
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"file": args[1], "type": mix.Name, "bytes_before": before, "bytes": out.Size(), "seconds": took.Seconds()})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s, from %s in %.1f s\n", args[1], bytesText(out.Size()), bytesText(before), took.Seconds())
			return nil
		},
	}
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "worker threads (0: one per physical core)")
	return cmd
}

func mixNames() []string {
	var names []string
	for _, m := range quant.Mixes() {
		names = append(names, m.Name)
	}
	return names
}

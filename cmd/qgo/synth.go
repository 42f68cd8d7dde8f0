package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"qgo/model/synth"
)

func newSynth() *cobra.Command {
	var (
		path   string
		untied bool
		seed   uint64
	)
	cmd := &cobra.Command{
		Use:   "synth SIZE TYPE",
		Short: "Write a model with the shape of a published one and random weights",
		Long: `synth writes a model of the shape of Qwen2.5 0.5b, 1.5b or 3b, or of qwen3-0.6b,
qwen3-1.7b or qwen3-4b, with random weights in one of the quantisations of
llama-quantize. It is as fast or slow as the real one, here and in llama.cpp, and
needs no download; its text is gibberish.`,
		Example: `  qgo synth 0.5b q4_0 -o synthetic-0.5b-q4_0.gguf
  qgo synth qwen3-0.6b q8_0 -o synthetic-qwen3-0.6b-q8_0.gguf
  qgo synth 1.5b q4_k_m --untied -o synthetic-1.5b-q4_k_m.gguf`,
		ValidArgsFunction: completeSynth,
		Args:              exactly(2, "a size and a type, for example 0.5b q4_0"),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := synth.ParseSpec(args[0], args[1])
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if path == "" {
				return usagef(cmd, "-o is needed: the name of the file to write")
			}
			spec.Untied, spec.Seed = untied, seed
			bar := newProgress(cmd, spec.Name())
			err = synth.Write(cmd.Context(), path, spec, bar.set)
			bar.end()
			if err != nil {
				return err
			}
			size, err := spec.Size()
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"file": path, "name": spec.Name(), "bytes": size})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", path, spec.Name(), bytesText(size))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&path, "out", "o", "", "file to write")
	f.BoolVar(&untied, "untied", false, "give the output head weights of its own, as in the published files")
	f.Uint64Var(&seed, "seed", 1, "seed of the weights")
	return cmd
}

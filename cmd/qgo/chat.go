package main

import (
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/spf13/cobra"

	"qgo/model"
	"qgo/model/dialog"
)

func newChat() *cobra.Command {
	var (
		m       modelFlags
		g       model.Generation
		prompt  string
		system  string
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with a model",
		Long: `chat talks with a model. In a terminal it asks for one message after the other;
/help there lists its commands. With -p, or with a question on the standard
input, it prints one answer and ends.`,
		Example: `  qgo chat
  qgo chat -p "What does strings.ToUpper do?"
  qgo chat --model qwen2.5-0.5b-instruct-q4_0.gguf
  git diff | qgo chat --model qwen2.5-3b-instruct-q4_k_m.gguf --system "Write a commit message."`,
		Args: exactly(0, "no arguments (put the question behind -p)"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				g.Sampling.Seed = rand.Uint64()
			}
			if g.MaxTokens < 0 {
				return usagef(cmd, "--max-tokens is %d: choose 0 or more", g.MaxTokens)
			}
			loaded, err := m.load(cmd)
			if err != nil {
				return err
			}
			defer loaded.Close()
			if err := g.Sampling.Validate(loaded.Vocab); err != nil {
				return usagef(cmd, "%w", err)
			}
			d, err := dialog.New(loaded, g, system)
			if err != nil {
				return err
			}
			defer d.Close()
			c := newConversation(cmd, loaded, d, verbose)
			switch {
			case cmd.Flags().Changed("prompt"):
				return c.once(prompt)
			case isTerminal(cmd.InOrStdin()):
				return c.loop()
			}
			text, err := readAll(cmd)
			if err != nil {
				return err
			}
			return c.once(text)
		},
	}
	f := cmd.Flags()
	m.add(f)
	f.StringVarP(&prompt, "prompt", "p", "", "ask this and print the answer")
	f.StringVar(&system, "system", "You are a helpful assistant.", "system message")
	f.IntVarP(&g.MaxTokens, "max-tokens", "n", 0, "longest answer in tokens (0: what the context has room for)")
	f.StringArrayVar(&g.Stop, "stop", nil, "end the answer at this text (may be repeated)")
	f.Float64Var(&g.Sampling.Temperature, "temp", 0, "temperature; 0 takes the most likely token")
	f.IntVar(&g.Sampling.TopK, "top-k", 0, "choose among the k most likely tokens (0: all)")
	f.Float64Var(&g.Sampling.TopP, "top-p", 0, "choose among the most likely tokens that reach this probability (0: all)")
	f.Float64Var(&g.Sampling.MinP, "min-p", 0, "leave out tokens less likely than this times the most likely (0: none)")
	f.Float64Var(&g.Sampling.RepeatPenalty, "repeat-penalty", 0, "divide the logits of tokens that came before (0: no penalty)")
	f.Uint64Var(&g.Sampling.Seed, "seed", 0, "seed of the random choice (default: a new one each time)")
	f.BoolVarP(&verbose, "verbose", "v", false, "print speeds and use of the context after each answer")
	return cmd
}

// once answers a single question.
func (c *conversation) once(question string) error {
	if strings.TrimSpace(question) == "" {
		return errors.New("the question is empty: put it behind -p or pipe it in")
	}
	if !wantsJSON(c.cmd) {
		return c.turn(c.cmd.Context(), c.dialog.Ask, question)
	}
	var answer strings.Builder
	err := c.dialog.Ask(c.cmd.Context(), question, func(text string) error {
		answer.WriteString(text)
		return nil
	})
	if err != nil {
		return err
	}
	s := c.dialog.Stats()
	return printJSON(c.cmd, map[string]any{
		"answer": answer.String(), "end": s.End,
		"prompt_tokens": s.Prompt, "answer_tokens": s.Generated,
		"prefill_tokens_per_second": s.PrefillRate(), "decode_tokens_per_second": s.DecodeRate(),
	})
}

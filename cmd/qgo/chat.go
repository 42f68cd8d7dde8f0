package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/spf13/cobra"

	"qgo/model"
	"qgo/model/chat"
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
		Example: `  qgo chat -p "What does strings.ToUpper do?"
  qgo chat --model qwen2.5-0.5b-instruct-q4_0.gguf
  git diff | qgo chat --model qwen2.5-3b-instruct-q4_k_m.gguf --system "Write a commit message."`,
		Args: exactly(0, "no arguments (put the question behind -p)"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				g.Sampling.Seed = rand.Uint64()
			}
			loaded, err := m.load(cmd)
			if err != nil {
				return err
			}
			defer loaded.Close()
			c, err := newConversation(cmd, loaded, g, system, verbose)
			if err != nil {
				return err
			}
			defer c.session.Close()
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

// conversation is a chat in progress.
type conversation struct {
	cmd      *cobra.Command
	m        *model.Model
	session  *model.Session
	options  model.Generation
	messages []chat.Message
	verbose  bool
}

func newConversation(cmd *cobra.Command, m *model.Model, g model.Generation, system string, verbose bool) (*conversation, error) {
	if g.MaxTokens < 0 {
		return nil, usagef(cmd, "--max-tokens is %d: choose 0 or more", g.MaxTokens)
	}
	if err := g.Sampling.Validate(m.Vocab); err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	s, err := m.NewSession(0)
	if err != nil {
		return nil, err
	}
	c := &conversation{cmd: cmd, m: m, session: s, options: g, verbose: verbose}
	if system != "" {
		c.messages = []chat.Message{{Role: "system", Content: system}}
	}
	return c, nil
}

// once answers a single question.
func (c *conversation) once(question string) error {
	if strings.TrimSpace(question) == "" {
		return errors.New("the question is empty: put it behind -p or pipe it in")
	}
	if wantsJSON(c.cmd) {
		return c.onceJSON(question)
	}
	return c.turn(question, c.cmd.OutOrStdout())
}

func (c *conversation) onceJSON(question string) error {
	var answer strings.Builder
	if err := c.turn(question, &answer); err != nil {
		return err
	}
	s := c.session.Stats()
	return printJSON(c.cmd, map[string]any{
		"answer": strings.TrimSuffix(answer.String(), "\n"), "end": s.End,
		"prompt_tokens": s.Prompt, "answer_tokens": s.Generated,
		"prefill_tokens_per_second": s.PrefillRate(), "decode_tokens_per_second": s.DecodeRate(),
	})
}

// loop answers line after line.
func (c *conversation) loop() error {
	out := c.cmd.OutOrStdout()
	in := bufio.NewReader(c.cmd.InOrStdin())
	fmt.Fprintln(out, "Type a question and press Enter; Ctrl-D leaves.")
	for {
		fmt.Fprint(out, "> ")
		line, err := in.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			if err := c.turn(strings.TrimSuffix(line, "\n"), out); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			fmt.Fprintln(out)
			return nil
		case err != nil:
			return err
		}
	}
}

// turn asks and writes the answer to out as it comes.
func (c *conversation) turn(question string, out io.Writer) error {
	c.messages = append(c.messages, chat.Message{Role: "user", Content: question})
	prompt, err := c.m.Prompt(chat.Conversation{Messages: c.messages, AddGenerationPrompt: true})
	if err != nil {
		return err
	}
	var answer strings.Builder
	for text, err := range c.session.Generate(c.cmd.Context(), prompt, c.options) {
		if err != nil {
			if answer.Len() > 0 {
				fmt.Fprintln(out)
			}
			return err
		}
		answer.WriteString(text)
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	c.messages = append(c.messages, chat.Message{Role: "assistant", Content: answer.String()})
	s := c.session.Stats()
	if s.End == model.ContextFull {
		fmt.Fprintf(c.cmd.ErrOrStderr(), "qgo: the context of %d tokens is full and the answer was cut short; --ctx makes it larger\n", c.session.Cap())
	}
	if c.verbose {
		fmt.Fprintf(c.cmd.ErrOrStderr(), "[prompt %d tokens (%d reused) in %.2f s, %.1f t/s · answer %d tokens, %.1f t/s · context %d of %d]\n",
			s.Prompt, s.Reused, s.Prefill.Seconds(), s.PrefillRate(), s.Generated, s.DecodeRate(), c.session.Len(), c.session.Cap())
	}
	return nil
}

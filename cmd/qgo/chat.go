package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/dialog"
)

func newChat() *cobra.Command {
	var (
		m       modelFlags
		t       templateFlag
		g       model.Generation
		s       sampling
		prompt  string
		system  string
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with a model",
		Long: `chat talks with a model. In a terminal it asks for one message after the other;
/help there lists its commands. With -p, or with a text on the standard input,
it prints one answer and ends. With both, the text follows what -p says.

Tokens are chosen as the model's file says or its makers recommend, unless the
options say otherwise; /set in a chat shows what is in force. --temp 0 always
takes the most likely token.`,
		Example: `  qgo chat
  qgo chat -p "What does strings.ToUpper do?"
  qgo chat --model qwen2.5-0.5b-instruct-q4_0.gguf
  git diff | qgo chat --model qwen2.5-3b-instruct-q4_k_m.gguf -p "Write a commit message for this."`,
		Args: exactly(0, "no arguments (put the question behind -p)"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				s.asked.Seed = rand.Uint64()
			}
			if g.MaxTokens < 0 {
				return usagef(cmd, "--max-tokens is %d: choose 0 or more", g.MaxTokens)
			}
			if err := s.check(); err != nil {
				return usagef(cmd, "--%w", err)
			}
			question, talk, err := askedFor(cmd, prompt)
			if err != nil {
				return err
			}
			loaded, err := m.load(cmd)
			if err != nil {
				return err
			}
			defer loaded.Close()
			s.recommended = model.RecommendedSampling(loaded.File, &loaded.Config)
			g.Sampling = s.params()
			if err := t.set(cmd, loaded); err != nil {
				return withTemplateAdvice(err)
			}
			template, err := loaded.Template()
			if err != nil {
				return withTemplateAdvice(err)
			}
			if !cmd.Flags().Changed("system") && !template.TakesSystem() {
				system = ""
			}
			d, err := dialog.New(loaded, g, system)
			if err != nil {
				return err
			}
			defer d.Close()
			c := newConversation(cmd, loaded, d, verbose)
			c.sampling = &s
			if talk {
				return c.loop()
			}
			return c.once(question)
		},
	}
	f := cmd.Flags()
	m.add(f)
	f.StringVarP(&prompt, "prompt", "p", "", "ask this and print the answer")
	t.add(f)
	f.StringVar(&system, "system", "You are a helpful assistant.", "system message")
	f.IntVarP(&g.MaxTokens, "max-tokens", "n", 0, "longest answer in tokens (0: what the context has room for)")
	f.StringArrayVar(&g.Stop, "stop", nil, "end the answer at this text (may be repeated)")
	s.add(f)
	f.BoolVar(&g.Speculate, "speculate", true, "check several tokens at once where the text repeats itself (the answer is the same)")
	f.BoolVarP(&verbose, "verbose", "v", false, "print speeds and use of the context after each answer")
	return cmd
}

// askedFor returns the question on the command line and the standard input, or
// that there is to be a talk.
func askedFor(cmd *cobra.Command, prompt string) (question string, talk bool, err error) {
	in, asked := cmd.InOrStdin(), cmd.Flags().Changed("prompt")
	switch {
	case asked && strings.TrimSpace(prompt) == "":
		return "", false, usagef(cmd, "the question behind -p is empty")
	case isTerminal(in) && !asked && wantsJSON(cmd):
		return "", false, usagef(cmd, "-o json prints one answer: put the question behind -p, or pipe it in")
	case isTerminal(in):
		return prompt, !asked, nil
	}
	if asked {
		// What waits for the end of a forgotten pipe should say so.
		note := time.AfterFunc(waitNote, func() {
			fmt.Fprintln(cmd.ErrOrStderr(), "qgo: waiting for the standard input, which belongs to the question; </dev/null says that there is none")
		})
		defer note.Stop()
	}
	text, err := readUTF8(cmd.Context(), in, "the standard input")
	if err != nil {
		return "", false, err
	}
	question = join(prompt, withoutLineEnd(text))
	if strings.TrimSpace(question) == "" {
		return "", false, errors.New("the question is empty: put it behind -p or pipe it in")
	}
	return question, false, nil
}

// waitNote is how long the standard input is waited for without a word.
const waitNote = 3 * time.Second

// join puts an empty line between what is asked and the text that it is about.
func join(prompt, text string) string {
	if prompt == "" || text == "" {
		return prompt + text
	}
	return prompt + "\n\n" + text
}

// once answers a single question.
func (c *conversation) once(question string) error {
	if !wantsJSON(c.cmd) {
		return c.turn(c.cmd.Context(), c.dialog.Ask, question)
	}
	var answer, reasoning strings.Builder
	err := c.dialog.Ask(c.cmd.Context(), question, func(text string, thinks bool) error {
		if thinks {
			reasoning.WriteString(text)
		} else {
			answer.WriteString(text)
		}
		return nil
	})
	if err != nil {
		return withTemplateAdvice(err)
	}
	s := c.dialog.Stats()
	out := map[string]any{
		"answer": answer.String(), "end": s.End,
		"prompt_tokens": s.Prompt, "answer_tokens": s.Generated,
		"prefill_tokens_per_second": s.PrefillRate(), "decode_tokens_per_second": s.DecodeRate(),
	}
	if s.Drafted > 0 {
		out["drafted_tokens"], out["accepted_tokens"] = s.Drafted, s.Accepted
	}
	if text := reasoning.String(); text != "" {
		text = strings.TrimPrefix(strings.TrimSpace(text), chat.ThinkStart)
		out["reasoning"] = strings.TrimSpace(strings.TrimSuffix(text, chat.ThinkEnd))
		out["answer"] = strings.TrimLeft(answer.String(), "\n")
	}
	return printJSON(c.cmd, out)
}

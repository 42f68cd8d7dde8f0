package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/chat"
	"qgo/model/chat/jinja"
	"qgo/model/tokenizer"
)

func newRender() *cobra.Command {
	var (
		m        modelFlags
		template templateFlag
		ids      bool
	)
	cmd := &cobra.Command{
		Use:   "render CONVERSATION.json",
		Short: "Show what a chat template makes of a conversation",
		Long: `render prints exactly the text that the chat template of a model makes of a
conversation, or with --ids the token ids that the model gets to see. The
conversation is a JSON object with "messages", a list of objects with "role"
and "content"; "tools", "add_generation_prompt" and all other keys are handed to
the template too. - stands for the standard input.`,
		Example: `  qgo render --model qwen2.5-0.5b:q4_0 conversation.json
  qgo render --chat-template template.jinja conversation.json
  echo '{"messages": [{"role": "user", "content": "Hi"}]}' | qgo render -`,
		Args: exactly(1, "the file of a conversation, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := m.file(cmd)
			if err != nil {
				return err
			}
			defer f.Close()
			tok, err := tokenizer.FromGGUF(f)
			if err != nil {
				return err
			}
			t, err := template.of(cmd, f, tok)
			if err != nil {
				return withTemplateAdvice(err)
			}
			conversation, err := conversationText(cmd, args[0])
			if err != nil {
				return err
			}
			parts, err := t.PartsJSON([]byte(conversation))
			switch {
			case err != nil:
				return withTemplateAdvice(fmt.Errorf("%s: %w", args[0], err))
			case ids:
				return writeIDs(cmd.OutOrStdout(), tok.EncodeParts(nil, parts))
			case wantsJSON(cmd):
				return printJSON(cmd, map[string]any{"text": chat.Text(parts), "ids": tok.EncodeParts([]int32{}, parts)})
			}
			_, err = io.WriteString(cmd.OutOrStdout(), chat.Text(parts))
			return err
		},
	}
	m.addPath(cmd.Flags())
	template.add(cmd.Flags())
	cmd.Flags().BoolVar(&ids, "ids", false, "print token ids in place of text")
	return cmd
}

// conversationText reads a conversation from a file or the standard input.
func conversationText(cmd *cobra.Command, path string) (string, error) {
	if path == "-" {
		return readUTF8(cmd.Context(), cmd.InOrStdin(), "the standard input")
	}
	return readTextFile(cmd.Context(), path, path)
}

// withTemplateAdvice says what to do about a template that fails, unless it is
// meant to.
func withTemplateAdvice(err error) error {
	var failed *jinja.Error
	if !errors.As(err, &failed) || errors.Is(err, jinja.ErrRaised) {
		return err
	}
	return fmt.Errorf("%w; --chat-template takes another one, from a file or chatml, and 'qgo render' shows what it makes of a conversation", err)
}

// templateFlag is the flag for a chat template other than the file's.
type templateFlag struct{ path string }

func (t *templateFlag) add(f *pflag.FlagSet) {
	f.StringVar(&t.path, "chat-template", "", `chat template in place of the model's: a file with Jinja, or "chatml"`)
}

// source returns the text of the template, "" if the file's is to be used.
func (t *templateFlag) source(cmd *cobra.Command) (string, error) {
	switch {
	case !cmd.Flags().Changed("chat-template"):
		return "", nil
	case t.path == "chatml":
		return chat.ChatML, nil
	}
	text, err := readTextFile(cmd.Context(), t.path, "the chat template "+show.Text(t.path))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w%s", err, didYouMean(t.path, []string{"chatml"}))
	}
	if err == nil && text == "" {
		err = errors.New("the chat template " + t.path + " is empty")
	}
	return text, err
}

// of returns the template for a model's file.
func (t *templateFlag) of(cmd *cobra.Command, f *gguf.File, tok *tokenizer.Tokenizer) (*chat.Template, error) {
	source, err := t.source(cmd)
	if err != nil {
		return nil, err
	}
	if source == "" {
		return model.Template(f, tok)
	}
	return model.NewTemplate(source, tok)
}

// set gives a loaded model the template.
func (t *templateFlag) set(cmd *cobra.Command, m *model.Model) error {
	source, err := t.source(cmd)
	if err != nil || source == "" {
		return err
	}
	return m.SetTemplate(source)
}

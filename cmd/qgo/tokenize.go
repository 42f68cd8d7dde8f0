package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"qgo/model/tokenizer"
)

func newTokenize() *cobra.Command {
	var (
		m       modelFlags
		special bool
		ids     bool
	)
	cmd := &cobra.Command{
		Use:   "tokenize",
		Short: "Turn text into token ids, or back",
		Long: `tokenize reads all of the standard input, byte for byte, and prints the ids of
its tokens as one JSON array. With --ids it reads such an array and writes the
bytes that the ids stand for.`,
		Example: `  printf 'Hello world' | qgo tokenize --model FILE
  printf '<|im_start|>user' | qgo tokenize --model FILE --special
  echo '[9707, 1879]' | qgo tokenize --model FILE --ids`,
		Args: exactly(0, "no arguments (the text comes from the standard input)"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := m.file(cmd)
			if err != nil {
				return err
			}
			defer f.Close()
			t, err := tokenizer.FromGGUF(f)
			if err != nil {
				return err
			}
			text, err := readAll(cmd)
			if err != nil {
				return err
			}
			if !ids {
				list := t.Encode([]int32{}, text, special)
				return json.NewEncoder(cmd.OutOrStdout()).Encode(list)
			}
			var list []int32
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return fmt.Errorf("the standard input is no JSON array of token ids: %w", err)
			}
			for i, id := range list {
				if id < 0 || int(id) >= t.VocabSize() {
					return fmt.Errorf("id %d at place %d: the vocabulary has ids 0 to %d", id, i, t.VocabSize()-1)
				}
			}
			_, err = cmd.OutOrStdout().Write(t.AppendBytes(nil, list))
			return err
		},
	}
	m.addPath(cmd.Flags())
	cmd.Flags().BoolVar(&special, "special", false, "recognise special tokens such as <|im_end|> in the text")
	cmd.Flags().BoolVar(&ids, "ids", false, "read ids and write their text")
	return cmd
}

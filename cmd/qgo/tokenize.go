package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"

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
			// Reading a vocabulary leaves more garbage behind than a text may take.
			debug.FreeOSMemory()
			if isTerminal(cmd.InOrStdin()) {
				fmt.Fprintln(cmd.ErrOrStderr(), "Type the text; Ctrl-D on a line of its own ends it.")
			}
			return unlessEnded(cmd.Context(), func() error {
				if ids {
					return detokenize(t, cmd.InOrStdin(), cmd.OutOrStdout())
				}
				return tokenize(t, cmd.InOrStdin(), special, cmd.OutOrStdout())
			})
		},
	}
	m.addPath(cmd.Flags())
	cmd.Flags().BoolVar(&special, "special", false, "recognise special tokens such as <|im_end|> in the text")
	cmd.Flags().BoolVar(&ids, "ids", false, "read ids and write their text")
	return cmd
}

// unlessEnded returns what work returns, or the error of ctx when that ends
// before: a standard input that never delivers is not waited for, for example.
func unlessEnded(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxIDBytes bounds a list of ids: more than a text of maxTextBytes has.
const maxIDBytes = 8 * maxTextBytes

// readBytes reads all of the standard input, which may have most bytes at most.
func readBytes(in io.Reader, most int) (string, error) {
	text, err := readAll(in, most+1)
	if err == nil && len(text) > most {
		err = fmt.Errorf("the standard input is larger than %s; give it in parts", bytesText(most))
	}
	return text, err
}

// tokenize writes the ids of a text.
func tokenize(t *tokenizer.Tokenizer, in io.Reader, special bool, out io.Writer) error {
	text, err := readBytes(in, maxTextBytes)
	if err == nil {
		err = t.CheckWords(text)
	}
	if err != nil {
		return err
	}
	return writeIDs(out, t.Encode(nil, text, special))
}

// writeIDs writes a JSON array of ids, of which there may be millions.
func writeIDs(out io.Writer, ids []int32) error {
	w := bufio.NewWriter(out)
	var number []byte
	w.WriteByte('[') // errors stay with w
	for i, id := range ids {
		if i > 0 {
			w.WriteByte(',')
		}
		number = strconv.AppendInt(number[:0], int64(id), 10)
		w.Write(number)
	}
	w.WriteString("]\n")
	return w.Flush()
}

// detokenize writes the text of ids.
func detokenize(t *tokenizer.Tokenizer, in io.Reader, out io.Writer) error {
	text, err := readBytes(in, maxIDBytes)
	if err != nil {
		return err
	}
	list := make([]int32, 0, strings.Count(text, ",")+1)
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return errors.New("the standard input is no list of token ids: expected numbers in brackets, such as [9707, 1879]")
	}
	for i, id := range list {
		if id < 0 || int(id) >= t.VocabSize() {
			return fmt.Errorf("id %d at place %d: the vocabulary has ids 0 to %d", id, i, t.VocabSize()-1)
		}
	}
	w := bufio.NewWriter(out)
	for _, id := range list {
		w.WriteString(t.TokenText(id)) // errors stay with w
	}
	return w.Flush()
}

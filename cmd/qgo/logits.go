package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"qgo/model"
)

func newLogits() *cobra.Command {
	var (
		m      modelFlags
		tokens string
		all    bool
		path   string
	)
	cmd := &cobra.Command{
		Use:   "logits",
		Short: "Compute the logits that follow given tokens",
		Long: `logits runs the model on token ids and writes the logits of the last position,
or of every position, as raw little-endian float32: one row of the vocabulary's
size for each.`,
		Example: `  qgo logits --model FILE --tokens 9707,1879 --out logits.f32
  qgo logits --model FILE --tokens @ids.txt --all --exact --out logits.f32`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tokens == "" || path == "" {
				return usagef(cmd, "--tokens and --out are needed")
			}
			ids, err := parseTokens(tokens)
			if err != nil {
				return err
			}
			if m.options.Context == 0 {
				m.options.Context = len(ids)
			}
			loaded, err := m.load(cmd)
			if err != nil {
				return err
			}
			defer loaded.Close()
			rows, err := writeFile(path, func(w io.Writer) (int, error) { return writeLogits(cmd, loaded, ids, all, w) })
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"file": path, "rows": rows, "vocabulary": loaded.Vocab})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d x %d float32\n", path, rows, loaded.Vocab)
			return nil
		},
	}
	f := cmd.Flags()
	m.add(f)
	m.addExact(f)
	m.setContext(f, 0, "longest text in tokens (0: as many as are given)")
	f.StringVar(&tokens, "tokens", "", "token ids, separated by commas or spaces, or @FILE with them")
	f.BoolVar(&all, "all", false, "write the logits of every position, not only of the last")
	f.StringVar(&path, "out", "", "file to write")
	return cmd
}

// parseTokens reads ids separated by commas and white space, also as a JSON
// array, from text or, behind an @, from a file.
func parseTokens(text string) ([]int32, error) {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	var ids []int32
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n[]", r) }) {
		id, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no token id: expected numbers separated by commas", s)
		}
		ids = append(ids, int32(id))
	}
	if len(ids) == 0 {
		return nil, errors.New("there are no token ids")
	}
	return ids, nil
}

// writeLogits computes ids in batches and writes the rows as they come.
func writeLogits(cmd *cobra.Command, m *model.Model, ids []int32, all bool, w io.Writer) (rows int, err error) {
	kv, err := m.NewKV(len(ids))
	if err != nil {
		return 0, err
	}
	defer kv.Close()
	seq := []model.Seq{{KV: kv}}
	for len(ids) > 0 {
		n := min(len(ids), m.MaxRows())
		if all {
			n = min(n, logitRows(m))
		}
		seq[0].Tokens, seq[0].Want = ids[:n], model.WantNone
		switch ids = ids[n:]; {
		case all:
			seq[0].Want = model.WantAll
		case len(ids) == 0:
			seq[0].Want = model.WantLast
		}
		if err := m.Forward(cmd.Context(), seq); err != nil {
			return 0, err
		}
		if seq[0].Want == model.WantNone {
			continue
		}
		if err := binary.Write(w, binary.LittleEndian, seq[0].Logits); err != nil {
			return 0, err
		}
		rows += len(seq[0].Logits) / m.Vocab
	}
	return rows, nil
}

// writeFile has write fill a file, which gets its name only when it is
// complete. Devices and pipes are written to directly.
func writeFile(path string, write func(io.Writer) (int, error)) (n int, err error) {
	var f *os.File
	if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
		f, err = os.OpenFile(path, os.O_WRONLY, 0)
	} else {
		f, err = os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
		defer func() {
			if f == nil {
				return
			}
			if err == nil {
				err = errors.Join(os.Chmod(f.Name(), 0o644), os.Rename(f.Name(), path))
			} else {
				err = errors.Join(err, os.Remove(f.Name()))
			}
		}()
	}
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	n, err = write(w)
	if err == nil {
		err = w.Flush()
	}
	return n, errors.Join(err, f.Close())
}

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"qgo/model"
	"qgo/model/sample"
)

func newPerplexity() *cobra.Command {
	var m modelFlags
	cmd := &cobra.Command{
		Use:   "perplexity TEXT",
		Short: "Measure how well a model predicts a text",
		Long: `perplexity cuts the text of a file ("-" is the standard input) into windows of
--ctx tokens and has the model predict every token of a window but the first.
It prints the mean negative log-likelihood in nats and its exponential, the
perplexity.`,
		Example: `  qgo perplexity --model FILE wiki.test.raw
  qgo perplexity --model FILE --ctx 2048 --exact wiki.test.raw`,
		Args: exactly(1, "the name of a text file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if m.options.Context == 1 {
				return usagef(cmd, "--ctx is 1: a window needs 2 tokens or more, as its first one is not predicted")
			}
			text, err := readText(cmd, args[0])
			if err != nil {
				return err
			}
			if text == "" {
				return fmt.Errorf("the text is empty: there is nothing to predict")
			}
			loaded, err := m.load(cmd)
			if err != nil {
				return err
			}
			defer loaded.Close()
			if err := loaded.Tokenizer.CheckWords(text); err != nil {
				return err
			}
			ids := loaded.Tokenizer.Encode(nil, text, false)
			reading := newReading(cmd)
			r, err := watchPerplexity(cmd.Context(), loaded, ids, reading.set)
			reading.end()
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, r)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "negative log-likelihood %.4f ± %.4f, perplexity %.4f (%d tokens predicted, windows of %d)\n",
				r.NLL, r.StdErr, r.Perplexity, r.Predicted, r.Window)
			return nil
		},
	}
	m.add(cmd.Flags())
	m.addExact(cmd.Flags())
	m.setContext(cmd.Flags(), 512, "tokens of a window, at least 2 (0: the model's own context, at most 4096)")
	return cmd
}

func readText(cmd *cobra.Command, name string) (string, error) {
	if name == "-" {
		return readUTF8(cmd.Context(), cmd.InOrStdin(), "the standard input")
	}
	return readTextFile(cmd.Context(), name, name)
}

// likelihood is the result of perplexity, in nats a token.
type likelihood struct {
	NLL        float64 `json:"nll"`
	StdErr     float64 `json:"nll_standard_error"`
	Perplexity float64 `json:"perplexity"`
	Predicted  int     `json:"predicted_tokens"`
	Window     int     `json:"window"`
}

// perplexity predicts the tokens of a text.
func perplexity(ctx context.Context, m *model.Model, ids []int32) (*likelihood, error) {
	return watchPerplexity(ctx, m, ids, func(done, total int) {})
}

// watchPerplexity is perplexity that tells progress how many tokens are done.
func watchPerplexity(ctx context.Context, m *model.Model, ids []int32, progress func(done, total int)) (*likelihood, error) {
	if len(ids) < 2 {
		return nil, fmt.Errorf("the text is shorter than 2 tokens, which are needed to predict one")
	}
	r := &likelihood{Window: min(m.MaxContext(), len(ids))}
	var sum, squares float64
	each := func(nll float64) {
		sum += nll
		squares += nll * nll
		r.Predicted++
	}
	kv, err := m.NewKV(r.Window)
	if err != nil {
		return nil, err
	}
	defer kv.Close()
	total := len(ids)
	progress(0, total)
	for len(ids) >= 2 {
		n, before := min(len(ids), r.Window), total-len(ids)
		if err := predict(ctx, m, kv, ids[:n], each, func(done int) { progress(before+done, total) }); err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	n := float64(r.Predicted)
	r.NLL = sum / n
	r.Perplexity = math.Exp(r.NLL)
	r.StdErr = math.Sqrt(max(squares/n-r.NLL*r.NLL, 0) / n)
	return r, nil
}

// predict calls each with the negative log-likelihood of every token of a
// window but the first, and progress with how many of them are read.
func predict(ctx context.Context, m *model.Model, kv *model.KV, window []int32, each func(nll float64), progress func(done int)) error {
	kv.Truncate(0)
	defer func() { m.Progress = nil }()
	seq := []model.Seq{{KV: kv, Want: model.WantAll}}
	for at := 0; at < len(window)-1; {
		n := min(len(window)-1-at, logitRows(m))
		seq[0].Tokens = window[at : at+n]
		m.Progress = func(done int) { progress(at + done) }
		if err := m.Forward(ctx, seq); err != nil {
			return err
		}
		for i := range n {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			p, err := sample.LogProb(seq[0].Logits[i*m.Vocab:(i+1)*m.Vocab], window[at+i+1])
			if err != nil {
				return err
			}
			each(-p)
		}
		at += n
	}
	return nil
}

// logitRows is the number of tokens to compute at once where the logits of all
// are wanted: those of a large vocabulary take much memory.
func logitRows(m *model.Model) int {
	const most = 64 << 20
	return min(m.MaxRows(), max(1, most/(4*m.Vocab)))
}

package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"qgo/gguf"
	"qgo/model"
	"qgo/model/hub"
)

// verifyText is English about programming that any language model predicts
// far better than chance, the one that is built in too.
const verifyText = "The function returns an error if the file does not exist. If there is an error, it will be of type *PathError."

func newVerify() *cobra.Command {
	var m modelFlags
	cmd := &cobra.Command{
		Use:   "verify [MODEL]",
		Short: "Check that a model file is whole and makes sense",
		Long: `verify checks a model in three steps: that its file is as GGUF and a Qwen2 model
must be; that its SHA-256 is the one that the hub stated when it was pulled; and
that it predicts a short English text better than chance.`,
		Example:           "  qgo verify qwen2.5-0.5b:q4_0\n  qgo verify FILE -o json",
		ValidArgsFunction: completeModel,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "expected one model, found %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m.path = args[0]
			}
			if !cmd.Flags().Changed("ctx") {
				m.options.Context = 256
			}
			f, err := m.file(cmd)
			if err != nil {
				return err
			}
			v, err := verify(cmd, f, m.options)
			if v == nil {
				return err
			}
			if wantsJSON(cmd) {
				return errors.Join(printJSON(cmd, v), err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "structure   ok: %s, %d tensors\n", bytesText(v.Bytes), v.Tensors)
			if v.Hash != "" {
				fmt.Fprintf(out, "hash        %s\n", v.Hash)
			}
			if v.NLL > 0 {
				fmt.Fprintf(out, "likelihood  %.2f nats a token on a short text; chance is %.2f\n", v.NLL, v.Chance)
			}
			return err
		},
	}
	m.add(cmd.Flags())
	return cmd
}

// verification is what verify finds.
type verification struct {
	File    string  `json:"file"`
	Bytes   int64   `json:"bytes"`
	Tensors int     `json:"tensors"`
	Hash    string  `json:"hash"`
	NLL     float64 `json:"nll"`
	Chance  float64 `json:"nll_of_chance"`
}

// verify closes f. After an error about the contents what was found before is
// returned as well.
func verify(cmd *cobra.Command, f *gguf.File, o model.Options) (*verification, error) {
	v := &verification{File: f.Name, Bytes: f.Size(), Tensors: len(f.Tensors)}
	if _, _, _, err := model.Survey(f, o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	v.Hash = "not known: the file was not pulled"
	if r, ok := hub.ReadRecord(f.Name); ok {
		sum, size, err := hub.HashFile(cmd.Context(), f.Name)
		if err != nil {
			return v, errors.Join(err, f.Close())
		}
		if size != r.Size || sum != r.SHA256 {
			v.Hash = "wrong"
			return v, errors.Join(fmt.Errorf("%s: expected the SHA-256 %s, found %s: the file changed since it was pulled; delete it with 'qgo rm %s' and pull it again",
				f.Name, r.SHA256, sum, modelName(f.Name)), f.Close())
		}
		v.Hash = "ok: " + sum
	}
	m, err := model.Load(f, o)
	if err != nil {
		return v, errors.Join(err, f.Close())
	}
	defer m.Close()
	r, err := perplexity(cmd.Context(), m, m.Tokenizer.Encode(nil, verifyText, false))
	if err != nil {
		return v, err
	}
	v.NLL, v.Chance = r.NLL, math.Log(float64(m.Vocab))
	// Trained models are far below; random or damaged weights are at chance or
	// above.
	if !(v.NLL < 0.9*v.Chance) {
		return v, fmt.Errorf("%s: predicts text no better than chance: its weights are random or damaged", f.Name)
	}
	return v, nil
}

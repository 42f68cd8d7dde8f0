package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"qgo/gguf"
	"qgo/model"
	"qgo/model/chat"
	"qgo/model/hub"
	"qgo/model/tokenizer"
)

// verifyText is English about programming, in which the order of words matters
// to any language model, the one that is built in too.
const verifyText = "The function returns an error if the file does not exist. If there is an error, it will be of type *PathError. " +
	"It is the caller's responsibility to close the file when it is no longer needed. " +
	"For example, the following code opens a file and reads from it. " +
	"This is not the same as the value of the string, and it must not be used after that. " +
	"A new list of the names is returned, in the order in which they were added."

func newVerify() *cobra.Command {
	var m modelFlags
	cmd := &cobra.Command{
		Use:   "verify [MODEL]",
		Short: "Check that a model file is whole and makes sense",
		Long: `verify checks a model in four steps: that its file is sound GGUF and has what its
architecture needs; that its SHA-256 is the one that the hub stated when it was
pulled; that none of its weights are such as only a damaged file has; and that it predicts a
short English text better than the same words in another order. What is odd
about the file, but does no harm, is noted.`,
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
			v.print(cmd.OutOrStdout())
			return err
		},
	}
	m.add(cmd.Flags())
	return cmd
}

// verification is what verify finds.
type verification struct {
	File     string   `json:"file"`
	Bytes    int64    `json:"bytes"`
	Tensors  int      `json:"tensors"`
	Hash     string   `json:"hash"`
	Weights  string   `json:"weights"`
	NLL      float64  `json:"nll"`
	Shuffled float64  `json:"nll_shuffled"`
	Notes    []string `json:"notes,omitempty"`
}

func (v *verification) print(w io.Writer) {
	fmt.Fprintf(w, "structure   ok: %s, %d tensors\n", bytesText(v.Bytes), v.Tensors)
	for _, line := range []struct{ name, text string }{{"hash", v.Hash}, {"weights", v.Weights}} {
		if line.text != "" {
			fmt.Fprintf(w, "%-11s %s\n", line.name, line.text)
		}
	}
	if v.NLL > 0 {
		fmt.Fprintf(w, "likelihood  %.2f nats a token on a short text, %.2f on its tokens in another order\n", v.NLL, v.Shuffled)
	}
	for _, note := range v.Notes {
		fmt.Fprintf(w, "note        %s\n", note)
	}
}

// verify closes f. After an error about the contents what was found before is
// returned as well.
func verify(cmd *cobra.Command, f *gguf.File, o model.Options) (_ *verification, err error) {
	v := &verification{File: f.Name, Bytes: f.Size(), Tensors: len(f.Tensors)}
	closer := f.Close
	defer func() { err = errors.Join(err, closer()) }()
	if _, _, _, err := model.Survey(f, o); err != nil {
		return nil, err
	}
	if v.Notes, err = model.Oddities(f); err != nil {
		return v, err
	}
	if err := checkTemplate(f); err != nil {
		v.Notes = append(v.Notes, err.Error()+": chat needs --chat-template")
	}
	if err := v.checkHash(cmd, f); err != nil {
		return v, err
	}
	bar := newProgress(cmd, "weights")
	err = model.CheckWeights(cmd.Context(), f, func(done int64) { bar.set(done, v.Bytes) })
	bar.end()
	if err != nil {
		if cmd.Context().Err() == nil {
			v.Weights = "wrong"
		}
		return v, err
	}
	v.Weights = "ok: all are finite, and none out of scale"
	m, err := model.Load(cmd.Context(), f, o)
	if err != nil {
		return v, err
	}
	closer = m.Close
	return v, v.checkText(cmd, m)
}

// checkTemplate renders a question with the file's chat template.
func checkTemplate(f *gguf.File) error {
	tok, err := tokenizer.FromGGUF(f)
	if err != nil {
		return err
	}
	t, err := model.Template(f, tok)
	if err != nil {
		return err
	}
	parts, err := t.Parts(chat.Conversation{Messages: []chat.Message{{Role: "user", Content: "Hi"}}, AddGenerationPrompt: true})
	if err == nil && len(parts) == 0 {
		err = errors.New("the chat template makes no text of a question")
	}
	return err
}

// checkHash compares the file with what the hub said about it.
func (v *verification) checkHash(cmd *cobra.Command, f *gguf.File) error {
	v.Hash = "not known: the file was not pulled"
	r, ok := hub.ReadRecord(f.Name)
	if !ok {
		return nil
	}
	sum, size, err := hub.HashFile(cmd.Context(), f.Name)
	if err != nil {
		return err
	}
	if size != r.Size || sum != r.SHA256 {
		v.Hash = "wrong"
		return fmt.Errorf("%s: expected the SHA-256 %s, found %s: the file changed since it was pulled; delete it with 'qgo rm %s' and pull it again",
			f.Name, r.SHA256, sum, modelName(f.Name))
	}
	v.Hash = "ok: " + sum
	return nil
}

// checkText has the model predict a text, and the same tokens in another order.
// To random weights the order makes no difference, beside chance; to a trained
// model it makes several nats, also where two bits a weight have left it little
// else. How many nats a token takes says less: a small model does worse than a
// uniform guess on most texts.
func (v *verification) checkText(cmd *cobra.Command, m *model.Model) error {
	ids := m.Tokenizer.Encode(nil, verifyText, false)
	ordered, err := perplexity(cmd.Context(), m, ids)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2)) // the same order in every run
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	shuffled, err := perplexity(cmd.Context(), m, ids)
	if err != nil {
		return err
	}
	v.NLL, v.Shuffled = ordered.NLL, shuffled.NLL
	const nats, errorsApart = 1, 4
	if better := v.Shuffled - v.NLL; !(better > nats && better > errorsApart*math.Hypot(ordered.StdErr, shuffled.StdErr)) {
		return fmt.Errorf("%s: predicts text no better than chance, as if the order of words made no difference: its weights are random or damaged", m.File.Name)
	}
	return nil
}

package roofline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"qgo/model"
	"qgo/model/hub"
	"qgo/model/synth"
	"qgo/quant"
)

// Advice is what a machine can expect of one size and quantisation.
type Advice struct {
	// Names are those of the published models with this shape and quantisation,
	// as pull takes them.
	Names        []string `json:"names"`
	Size         string   `json:"size"`
	Quantisation string   `json:"quantisation"`
	FileBytes    int64    `json:"file_bytes"`
	Fit          Fit      `json:"fit"`
	Decode       float64  `json:"decode_tokens_per_second"`  // at most, in the middle of the context
	Prefill      float64  `json:"prefill_tokens_per_second"` // at most, of a prompt of half the context
	// ExpectDecode and ExpectPrefill are what this engine comes to of them, by the
	// machine's Reach; without one they are the bounds.
	ExpectDecode  float64 `json:"expected_decode_tokens_per_second"`
	ExpectPrefill float64 `json:"expected_prefill_tokens_per_second"`
	// Loss is that of [Loss], nil if none is published.
	Loss *float64 `json:"perplexity_loss"`

	shape synth.Shape
}

// Name is the first of the names, that of the model for chat.
func (a Advice) Name() string { return a.Names[0] }

// larger are the shapes beside [synth.Shapes] in which Qwen2.5 is published
// (arXiv:2412.15115, and the models' config.json).
var larger = []synth.Shape{
	{Name: "7b", Width: 3584, FFN: 18944, Blocks: 28, Heads: 28, KV: 4},
	{Name: "14b", Width: 5120, FFN: 13824, Blocks: 48, Heads: 40, KV: 8},
	{Name: "32b", Width: 5120, FFN: 27648, Blocks: 64, Heads: 40, KV: 8},
	{Name: "72b", Width: 8192, FFN: 29568, Blocks: 80, Heads: 64, KV: 8},
}

// largerVocab is the number of rows of their embeddings.
const largerVocab = 152064

// shapeOf returns the shape of a published model, and the rows of its embedding.
func shapeOf(n hub.Name) (shape synth.Shape, vocab int, err error) {
	for _, name := range []string{n.Line.Prefix + n.Size, n.Size} { // a line's own shape, or else that of Qwen2.5
		is := func(s synth.Shape) bool { return s.Name == name }
		if i := slices.IndexFunc(synth.Shapes, is); i >= 0 {
			return synth.Shapes[i], 0, nil // as synth has it
		}
		if i := slices.IndexFunc(larger, is); i >= 0 {
			return larger[i], largerVocab, nil
		}
	}
	return shape, 0, fmt.Errorf("no shape is known of %v", n)
}

// recipe is what quantize calls the type of a published file.
func recipe(quantisation string) string {
	if quantisation = strings.ToLower(quantisation); quantisation == "fp16" {
		return "f16"
	}
	return quantisation
}

// SpecByName describes a model in the shape of a published one, by a name such as
// qwen2.5-0.5b:q4_0 with any type that there is quantisation to. Without a line's
// name it is one of the first line: SIZE:TYPE.
func SpecByName(name string) (spec synth.Spec, n hub.Name, err error) {
	size, mix, typed := strings.Cut(strings.ToLower(name), ":")
	n, ok := hub.ParseName(size)
	if !ok {
		n, ok = hub.ParseName(hub.Lines[0].Prefix + size)
	}
	if !ok {
		_, err := hub.ParseRef(name) // which says what names there are
		return spec, n, err
	}
	if typed {
		n.Quant = mix
	}
	spec.Untied = n.Line.Untied
	if spec.Shape, spec.Vocab, err = shapeOf(n); err != nil {
		return spec, n, err
	}
	spec.Mix, err = quant.ParseMix(recipe(n.Quant))
	return spec, n, err
}

// OutlineByName surveys a model of [SpecByName].
func OutlineByName(name string, o model.Options) (*Survey, error) {
	spec, n, err := SpecByName(name)
	if err != nil {
		return nil, err
	}
	f, err := spec.Outline()
	if err != nil {
		return nil, err
	}
	f.Name = n.String()
	return NewSurvey(f, o)
}

// Advise surveys every published model for a machine, for texts of that many
// tokens: what fits first with a margin, larger models before smaller ones, and
// larger files before smaller ones. Models of one shape are one.
func Advise(m *Machine, context int, o model.Options) ([]Advice, error) {
	var all []Advice
	for _, n := range hub.Names() {
		shape, _, err := shapeOf(n)
		if err != nil {
			return nil, err
		}
		same := func(a Advice) bool { return a.shape == shape && a.Quantisation == n.Quant }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i].Names = append(all[i].Names, n.String())
			continue
		}
		a, err := advise(m, n, context, o)
		if err != nil {
			return nil, err
		}
		a.shape = shape
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b Advice) int {
		return cmp.Or(
			-compareBool(a.Fit.Fits(), b.Fit.Fits()),
			-cmp.Compare(a.weights(), b.weights()),
			-cmp.Compare(a.FileBytes, b.FileBytes),
		)
	})
	return all, nil
}

func advise(m *Machine, n hub.Name, context int, o model.Options) (Advice, error) {
	a := Advice{Names: []string{n.String()}, Size: n.Size, Quantisation: n.Quant}
	s, err := OutlineByName(n.String(), o)
	if err != nil {
		return a, err
	}
	a.FileBytes = s.Size()
	if a.Fit, err = s.Fit(context, m.Comfortable()); err != nil {
		return a, err
	}
	half := max(context/2, 1)
	a.Decode = a.Fit.Swapped(m.Bound(Decode(s.Cost, half)), m.Storage)
	a.Prefill = m.Bound(Prefill(s.Cost, half, 0, model.DefaultMaxRows)).Rate
	a.ExpectDecode, a.ExpectPrefill = a.Decode, a.Prefill
	if r := m.Reach; r != nil {
		a.ExpectDecode, a.ExpectPrefill = r.Decode*a.Decode, r.Prefill*a.Prefill
	}
	if loss, published := Loss(n.Size, n.Quant); published && n.Line == hub.Lines[0] {
		a.Loss = &loss
	}
	return a, nil
}

// weights is about the number of weights in blocks, by which sizes are ordered.
func (a Advice) weights() int {
	s := a.shape
	return s.Blocks * s.Width * (3*s.FFN + 2*s.Width)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// alike is by how much two quantisations may differ in loss and be as good as each
// other.
const alike = 0.01

// Recommend returns one of the largest models of all, as Advise orders them, that
// fit and are expected to decode at least that many tokens a second: of its
// quantisations that lose no more than q4_0 does the smallest that loses at most a
// hundredth more than the best. Where no loss is published, that of the next
// smaller size stands in.
func Recommend(all []Advice, minDecode float64) (best Advice, ok bool) {
	least := 0.0
	for _, a := range all {
		loss := lossLike(a.Size, a.Quantisation)
		switch {
		case !a.Fit.Fits() || a.ExpectDecode < minDecode || coarse(a.Quantisation):
		case !ok:
			best, ok, least = a, true, loss
		case a.shape == best.shape && loss <= least+alike:
			best, least = a, min(least, loss)
		}
	}
	return best, ok
}

package roofline

import (
	"cmp"
	"slices"
	"strings"

	"qgo/model"
	"qgo/model/synth"
	"qgo/quant"
)

// Advice is what a machine can expect of one size and quantisation.
type Advice struct {
	Size         string  `json:"size"`
	Quantisation string  `json:"quantisation"`
	FileBytes    int64   `json:"file_bytes"`
	Fit          Fit     `json:"fit"`
	Decode       float64 `json:"decode_tokens_per_second"`  // at most, in the middle of the context
	Prefill      float64 `json:"prefill_tokens_per_second"` // at most, of a prompt of half the context
	// Divergence is the loss of the quantisation by [Divergence], negative if
	// it was not measured.
	Divergence float64 `json:"kl_divergence"`
}

// Name names the model as on the command line.
func (a Advice) Name() string { return "qwen2.5-" + a.Size + ":" + a.Quantisation }

// divergences is the mean KL divergence, in nats, between the next-token
// distributions of the demonstration model's f16 file and its quantised ones,
// both computed exactly, over 1024 positions of text that it has not seen.
// The model has 6.5 million weights; larger ones lose less, in about the same
// order.
var divergences = map[string]float64{
	"f32": 0, "f16": 0, "q8_0": 0.0050, "q6_k": 0.040, "q5_k_m": 0.17, "q5_1": 0.20, "q5_0": 0.30,
	"q4_k_m": 0.53, "iq4_nl": 0.79, "q4_1": 0.88, "q4_0": 0.93, "q3_k_m": 1.52, "q2_k": 4.30,
}

// Divergence returns the measured quality loss of a quantisation.
func Divergence(mix string) (nats float64, measured bool) {
	nats, measured = divergences[strings.ToLower(mix)]
	return nats, measured
}

// OutlineByName surveys a model named as SIZE:TYPE, with or without
// "qwen2.5-" before it, in the shape of the published files.
func OutlineByName(name string, o model.Options) (*Survey, error) {
	size, mix, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(name), "qwen2.5-"), ":")
	spec, err := synth.ParseSpec(size, mix)
	if err != nil {
		return nil, err
	}
	spec.Untied = true
	f, err := spec.Outline()
	if err != nil {
		return nil, err
	}
	f.Name = "qwen2.5-" + size + ":" + mix
	return NewSurvey(f, o)
}

// Advise surveys every size and quantisation for a machine, for texts of that
// many tokens: what fits first, larger models before smaller ones, and among
// them what loses least.
func Advise(m *Machine, context int, o model.Options) ([]Advice, error) {
	var all []Advice
	for _, shape := range synth.Shapes {
		for _, mix := range quant.Mixes() {
			s, err := OutlineByName(shape.Name+":"+mix.Name, o)
			if err != nil {
				return nil, err
			}
			a := Advice{Size: shape.Name, Quantisation: mix.Name, FileBytes: s.Size(), Divergence: -1}
			if a.Fit, err = s.Fit(context, m.Available()); err != nil {
				return nil, err
			}
			half := max(context/2, 1)
			a.Decode = a.Fit.Swapped(m.Bound(Decode(s.Cost, half)), m.Storage)
			a.Prefill = m.Bound(Prefill(s.Cost, half, 0, model.DefaultMaxRows)).Rate
			if d, ok := Divergence(mix.Name); ok {
				a.Divergence = d
			}
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b Advice) int {
		return cmp.Or(
			-compareBool(a.Fit.Fits(), b.Fit.Fits()),
			-cmp.Compare(a.rank(), b.rank()),
			compareBool(a.Divergence < 0, b.Divergence < 0),
			cmp.Compare(a.Divergence, b.Divergence),
			cmp.Compare(a.FileBytes, b.FileBytes),
		)
	})
	return all, nil
}

// rank is the place of the size among [synth.Shapes], which rise.
func (a Advice) rank() int {
	return slices.IndexFunc(synth.Shapes, func(s synth.Shape) bool { return s.Name == a.Size })
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

// worst is the largest divergence of a quantisation that is recommended: that
// of q4_0, the coarsest in common use.
const worst = 0.93

// Recommend returns the first of all, as Advise orders them, that fits, that
// decodes at least that many tokens a second, and that loses no more than
// q4_0 does.
func Recommend(all []Advice, minDecode float64) (Advice, bool) {
	for _, a := range all {
		if a.Fit.Fits() && a.Decode >= minDecode && a.Divergence >= 0 && a.Divergence <= worst {
			return a, true
		}
	}
	return Advice{}, false
}

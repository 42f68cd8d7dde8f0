package model

import (
	"math"
	"strconv"
	"strings"

	"qgo/gguf"
	"qgo/model/sample"
)

// Recommendation is how to choose tokens of a model unless the user says
// otherwise.
type Recommendation struct {
	sample.Params
	// Sources says where the values come from, for those that are not zero by
	// themselves. Its keys are llama.cpp's names of the options, such as top-k.
	Sources map[string]string
}

// FromFile is the source of a value that the model's file states.
const FromFile = "from the file"

// RecommendedSampling returns what the file of a model says about sampling
// (general.sampling.*) and, for what it does not say, what the model's makers
// recommend. A model of unknown makers is sampled greedily.
func RecommendedSampling(f *gguf.File, c *Config) Recommendation {
	r := Recommendation{Sources: map[string]string{}}
	if c.Vocab >= c.Arch.Tokens {
		r.fromMakers(c)
	}
	for _, o := range samplingOptions {
		v, err := gguf.Get[float64](f, "general.sampling."+o.key)
		if err != nil || !(math.Abs(v) <= math.MaxInt32) {
			continue // missing, or of no use: the other source is better than none
		}
		// The shortest number that is the file's float32: 0.7, not 0.699999988.
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
		p := r.Params
		if o.set(&p, v); p.Validate(c.Vocab) == nil {
			r.Params, r.Sources[o.name] = p, FromFile
		}
	}
	return r
}

// samplingOptions are those that have a key in files (gguf-py's constants.py).
// Values that stand for "off" are as in llama.cpp.
var samplingOptions = []struct {
	key, name string
	set       func(p *sample.Params, v float64)
}{
	{"temp", "temp", func(p *sample.Params, v float64) { p.Temperature = max(v, 0) }},
	{"top_k", "top-k", func(p *sample.Params, v float64) { p.TopK = max(int(v), 0) }},
	{"top_p", "top-p", func(p *sample.Params, v float64) { p.TopP = min(v, 1) }},
	{"min_p", "min-p", func(p *sample.Params, v float64) { p.MinP = max(v, 0) }},
	{"penalty_repeat", "repeat-penalty", func(p *sample.Params, v float64) { p.RepeatPenalty = v }},
	{"penalty_last_n", "repeat-last-n", func(p *sample.Params, v float64) {
		switch n := int(v); n {
		case -1: // the whole context
			p.PenaltyWindow = 0
		case 0:
			p.PenaltyWindow = -1
		default:
			p.PenaltyWindow = n
		}
	}},
}

// fromMakers sets what the makers of a model recommend.
func (r *Recommendation) fromMakers(c *Config) {
	name := strings.NewReplacer("-", "", " ", "", "_", "").Replace(strings.ToLower(c.Name))
	for _, m := range c.Arch.Makers {
		if !strings.Contains(name, m.Name) {
			continue
		}
		r.Params = m.Params
		for option, is := range map[string]bool{
			"temp": true, "top-k": r.TopK != 0, "top-p": true, "repeat-penalty": r.RepeatPenalty != 0,
		} {
			if is {
				r.Sources[option] = m.Source
			}
		}
		return
	}
}

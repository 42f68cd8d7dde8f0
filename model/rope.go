package model

import (
	"fmt"
	"math"

	"qgo/gguf/show"
	"qgo/kernels/plan"
)

// RopeScaling says how rotary positions are stretched to contexts longer than
// those of pre-training.
type RopeScaling struct {
	Type       string  // "none", "linear" or "yarn"
	Factor     float64 // stretch, 1 or more
	Original   int     // context of pre-training; of yarn
	AttnFactor float64 // further scale of queries and keys; of yarn, usually 1
}

// Bounds of YaRN's ramp in turns over the original context: pairs that turn
// more often than betaFast are left alone, those that turn less often than
// betaSlow are interpolated (Peng et al. 2023, arXiv:2309.00071, section 3.2).
const (
	betaFast = 32
	betaSlow = 1
)

// newRope returns the frequencies for heads of dim values.
func newRope(dim int, base float64, s RopeScaling) plan.Rope {
	r := plan.Rope{InvFreq: make([]float64, dim/2), Scale: 1}
	for i := range r.InvFreq {
		r.InvFreq[i] = math.Pow(base, -2*float64(i)/float64(dim))
	}
	switch s.Type {
	case "linear":
		for i := range r.InvFreq {
			r.InvFreq[i] /= s.Factor
		}
	case "yarn":
		pair := func(turns float64) float64 {
			return float64(dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(base))
		}
		low := max(0, math.Floor(pair(betaFast)))
		high := min(float64(dim-1), math.Ceil(pair(betaSlow)))
		for i, f := range r.InvFreq {
			ramp := min(max((float64(i)-low)/max(high-low, 0.001), 0), 1)
			r.InvFreq[i] = f/s.Factor*ramp + f*(1-ramp)
		}
		r.Scale = s.AttnFactor * (1 + 0.1*math.Log(s.Factor))
	}
	return r
}

// ContextWarning says what to expect of a context that is longer than the model
// was trained for; nothing if it is not.
func (c *Config) ContextWarning(context int) string {
	s, reach := c.RopeScaling, c.Context
	stretched := s.Type != "none" && s.Factor > 1
	if stretched {
		reach = max(reach, int(float64(s.Original)*s.Factor))
	}
	switch {
	case context <= reach:
		return ""
	case stretched:
		return fmt.Sprintf("a context of %d tokens is more than the %d that this model reaches with its file's rope.scaling (%s, factor %v): "+
			"what is beyond them is understood worse and worse.", context, reach, show.Text(s.Type), s.Factor)
	}
	text := fmt.Sprintf("a context of %d tokens is more than the %d that this model was trained for: what is beyond them is understood worse and worse.", context, reach)
	if c.Arch.Stretch != "" {
		text += fmt.Sprintf(" %s, but only from a file whose rope.scaling keys say so, and this one's do not.", c.Arch.Stretch)
	}
	return text
}

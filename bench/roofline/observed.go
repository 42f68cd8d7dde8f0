package roofline

// Observed sets a rate that somebody measured beside the bound for the same
// work.
type Observed struct {
	Rate       float64 `json:"tokens_per_second"`
	FLOPS      float64 `json:"flop_per_second"`
	Bytes      float64 `json:"bytes_per_second"`
	OfMemory   float64 `json:"share_of_bandwidth"`
	OfFP32     float64 `json:"share_of_fp32_peak,omitempty"`
	OfPeak     float64 `json:"share_of_peak,omitempty"`
	OfBound    float64 `json:"share_of_bound"`
	Impossible bool    `json:"impossible,omitempty"` // above the bound
}

// tolerance is how far above a bound a rate may be measured: data sheets
// round, and clocks differ by so much.
const tolerance = 1.02

// Observe returns what a rate in tokens a second says on machine m about work
// w.
func (m *Machine) Observe(w Work, rate float64) Observed {
	perToken := 1 / float64(w.Tokens)
	o := Observed{Rate: rate, FLOPS: rate * w.FLOP * perToken, Bytes: rate * w.Bytes * perToken}
	o.OfMemory = o.Bytes / m.Bandwidth
	if m.FP32 > 0 {
		o.OfFP32 = o.FLOPS / m.FP32
	}
	if peak, _ := m.Peak(); peak > 0 {
		o.OfPeak = o.FLOPS / peak
	}
	o.OfBound = rate / m.Bound(w).Rate
	o.Impossible = o.OfBound > tolerance
	return o
}

package roofline

// What binds a phase.
const (
	Memory    = "memory"
	Compute   = "compute"
	Launches  = "launches"
	Exchanges = "exchanges"
)

// Limits are what a device can do.
type Limits struct {
	Bandwidth float64 // bytes a second
	Peak      float64 // operations a second; 0 if unknown
	Launch    float64 // seconds from one kernel to the next at the least; 0 if unknown
	Exchange  float64 // seconds from one vector that all blocks of a kernel make to the next; 0 if unknown
}

// Bound is the least time that a machine needs for some work.
type Bound struct {
	Work
	Intensity  float64 `json:"flop_per_byte"`
	Ridge      float64 `json:"ridge_flop_per_byte"` // of the machine; 0 if no peak is known
	MemoryRate float64 `json:"memory_tokens_per_second"`
	FLOPRate   float64 `json:"compute_tokens_per_second"`          // 0 if no peak is known
	LaunchRate float64 `json:"launch_tokens_per_second,omitempty"` // 0 if there are no launches
	// ExchangeRate is 0 if there are no exchanges.
	ExchangeRate float64 `json:"exchange_tokens_per_second,omitempty"`
	Rate         float64 `json:"tokens_per_second"` // the lowest of them
	Binds        string  `json:"binds"`
	// Parts are the bounds of devices that work one after the other, if that
	// is what the bound is of: see [Serial].
	Parts []Bound `json:"parts,omitempty"`
}

// Bound returns the bound for work on a device.
func (w Work) Bound(l Limits) Bound {
	b := Bound{Work: w, Intensity: w.Intensity(), Binds: Memory}
	n := float64(w.Tokens)
	b.MemoryRate = n * l.Bandwidth / w.Bytes
	b.Rate = b.MemoryRate
	if l.Peak > 0 {
		b.Ridge = l.Peak / l.Bandwidth
	}
	if l.Peak > 0 && w.FLOP > 0 {
		b.FLOPRate = n * l.Peak / w.FLOP
		b.lower(b.FLOPRate, Compute)
	}
	if l.Launch > 0 && w.Launches > 0 {
		b.LaunchRate = n / (w.Launches * l.Launch)
		b.lower(b.LaunchRate, Launches)
	}
	if l.Exchange > 0 && w.Exchanges > 0 {
		b.ExchangeRate = n / (w.Exchanges * l.Exchange)
		b.lower(b.ExchangeRate, Exchanges)
	}
	return b
}

func (b *Bound) lower(rate float64, what string) {
	if rate < b.Rate {
		b.Rate, b.Binds = rate, what
	}
}

// Serial is the bound for work of which each part is done by another device, one
// after the other: their times add up. What binds it is what binds the parts
// that take most of the time.
func Serial(parts ...Bound) Bound {
	sum := Bound{Parts: parts}
	var memory, compute, launch, exchange, all float64 // seconds a token
	binds := map[string]float64{}
	for _, p := range parts {
		sum.Tokens = p.Tokens
		sum.FLOP, sum.Bytes = sum.FLOP+p.FLOP, sum.Bytes+p.Bytes
		sum.Launches, sum.Exchanges = sum.Launches+p.Launches, sum.Exchanges+p.Exchanges
		memory, compute = memory+inverse(p.MemoryRate), compute+inverse(p.FLOPRate)
		launch, exchange = launch+inverse(p.LaunchRate), exchange+inverse(p.ExchangeRate)
		all += inverse(p.Rate)
		binds[p.Binds] += inverse(p.Rate)
	}
	sum.Intensity = sum.Work.Intensity()
	sum.MemoryRate, sum.FLOPRate = inverse(memory), inverse(compute)
	sum.LaunchRate, sum.ExchangeRate, sum.Rate = inverse(launch), inverse(exchange), inverse(all)
	if sum.FLOPRate > 0 {
		sum.Ridge = sum.FLOP * sum.FLOPRate / (sum.Bytes * sum.MemoryRate)
	}
	for _, what := range []string{Memory, Compute, Launches, Exchanges} {
		if sum.Binds == "" || binds[what] > binds[sum.Binds] {
			sum.Binds = what
		}
	}
	return sum
}

// inverse is 1/x, and 0 for an unknown 0.
func inverse(x float64) float64 {
	if x == 0 {
		return 0
	}
	return 1 / x
}

package bench

import (
	"errors"
	"math"
	"strings"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels/devices"
	"qgo/kernels/plan"
)

// GPUCeilings are what a GPU can do.
type GPUCeilings struct {
	Device string `json:"device"` // such as cuda:0
	plan.DeviceInfo
	Read  Rate       `json:"read"` // bytes a second
	Copy  Rate       `json:"copy"`
	Peaks []PeakRate `json:"peaks"` // operations a second
	// Launches and Barriers are how many kernels that do nothing it starts a
	// second, one after the other, and how often all blocks that it runs at a
	// time can wait for each other.
	Launches Rate `json:"launches"`
	Barriers Rate `json:"barriers"`
	// Exchanges is how many vectors a second the blocks of a kernel can make together, each of
	// which wants all of one for the next; nothing on GPUs on which no kernel does that.
	Exchanges *Rate `json:"exchanges,omitempty"`
	// PowerMode is that in which they were measured, as of a result.
	PowerMode machine.PowerMode `json:"power_mode,omitempty"`
}

// Peak is the highest of the peaks that the kernels can use, which add up in float32.
func (c *GPUCeilings) Peak() (best PeakRate) {
	for _, p := range c.Peaks {
		if p.Best > best.Best && (p.Type == plan.Singles || p.Type == plan.Matrices) {
			best = p
		}
	}
	return best
}

// limits are the ceilings that bound a model.
func (c *GPUCeilings) limits() roofline.Limits {
	l := roofline.Limits{Bandwidth: c.Read.Best, Peak: c.Peak().Best, Launch: 1 / c.Launches.Best}
	if c.Exchanges != nil {
		l.Exchange = 1 / c.Exchanges.Best
	}
	return l
}

// MeasureGPU measures the ceilings of a GPU, each for at least the given time.
func MeasureGPU(dev plan.Device, atLeast time.Duration) (c *GPUCeilings, err error) {
	p, err := dev.NewProbe(true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	c = &GPUCeilings{Device: dev.String(), DeviceInfo: dev.Info()}
	others := map[string]*Rate{plan.Reads: &c.Read, plan.Copies: &c.Copy, plan.Launched: &c.Launches, plan.Barriers: &c.Barriers}
	for _, m := range p.Ceilings() {
		r, err := gpuRate(m.Amount, atLeast, m.Run)
		if err != nil {
			return nil, err
		}
		if to, ok := others[m.Name]; ok {
			*to = r
		} else if m.Name == plan.Exchanged {
			c.Exchanges = &r
		} else {
			c.Peaks = append(c.Peaks, PeakRate{m.Name, m.Instruction, r})
		}
	}
	return c, nil
}

// backend is how results name what computes on a device such as cuda:0.
func backend(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return strings.ToUpper(kind)
}

// watch adds a GPU's own sensors, if it has any that can be read.
func watch(s *machine.Sensors, dev plan.Device) {
	kind, _, ok := devices.Find(dev.String())
	if !ok {
		return
	}
	if own, err := kind.Sensors(dev.Info()); err == nil {
		s.AddGPU(dev.Info().Name, own)
	}
}

// shortestTurn is the least time that a GPU is kept busy with one timing: being
// told to begin and being waited for take some ten microseconds.
const shortestTurn = 5 * time.Millisecond

// gpuRate is the rate of amount a pass. run does a number of passes; as many are
// timed together as take long enough, and that again and again for at least the
// given time, and at least three times.
func gpuRate(amount float64, atLeast time.Duration, run func(passes int) error) (Rate, error) {
	took := func(n int) (time.Duration, error) {
		start := time.Now()
		err := run(n)
		return max(time.Since(start), 1), err
	}
	passes, turn := 1, min(shortestTurn, atLeast)
	for { // which warms the GPU up, too
		t, err := took(passes)
		if err != nil {
			return Rate{}, err
		}
		if t >= turn {
			break
		}
		const most = 16 // times as many as before: the first pass is no measure
		passes = int(math.Ceil(float64(passes) * min(1.2*float64(turn)/float64(t), most)))
	}
	var rates Sample
	for start := time.Now(); len(rates) < 3 || time.Since(start) < atLeast; {
		t, err := took(passes)
		if err != nil {
			return Rate{}, err
		}
		rates = append(rates, amount*float64(passes)/t.Seconds())
	}
	return newRate(rates), nil
}

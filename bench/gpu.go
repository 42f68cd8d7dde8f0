package bench

import (
	"errors"
	"math"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/nvml"
)

// GPUCeilings are what a GPU can do.
type GPUCeilings struct {
	Device string `json:"device"` // such as cuda:0
	driver.Info
	Read  Rate       `json:"read"` // bytes a second
	Copy  Rate       `json:"copy"`
	Peaks []PeakRate `json:"peaks"` // operations a second
	// Launches and Barriers are how many kernels that do nothing it starts a
	// second, one after the other, and how often all blocks that it runs at a
	// time can wait for each other.
	Launches Rate `json:"launches"`
	Barriers Rate `json:"barriers"`
}

// Peak is the peak of float32 numbers, in which the kernels compute.
func (c *GPUCeilings) Peak() float64 {
	for _, p := range c.Peaks {
		if p.Type == "fp32" {
			return p.Best
		}
	}
	return 0
}

// limits are the ceilings that bound a model.
func (c *GPUCeilings) limits() roofline.Limits {
	return roofline.Limits{Bandwidth: c.Read.Best, Peak: c.Peak(), Launch: 1 / c.Launches.Best}
}

// MeasureGPU measures the ceilings of a GPU, each for at least the given time.
func MeasureGPU(dev *cuda.Device, atLeast time.Duration) (c *GPUCeilings, err error) {
	p, err := dev.NewProbe(true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	c = &GPUCeilings{Device: dev.String(), Info: dev.Info()}
	for _, m := range []struct {
		rate   *Rate
		amount float64 // of a pass
		run    func(passes int) error
	}{
		{&c.Read, float64(p.Bytes()), p.Read},
		{&c.Copy, 2 * float64(p.Bytes()), p.Copy},
		{&c.Launches, 1, p.Launch},
		{&c.Barriers, cuda.BarrierRounds, p.Barriers},
	} {
		if *m.rate, err = gpuRate(m.amount, atLeast, m.run); err != nil {
			return nil, err
		}
	}
	for _, m := range []struct {
		typ, instruction string
		has              bool
		ops              float64 // of a pass
		run              func(passes int) error
	}{
		{"fp32", "fma.rn.f32", true, p.Ops(), p.FP32},
		{"fp16", "fma.rn.f16x2", true, 2 * p.Ops(), p.FP16},
		{"fp16 matrices", "mma.m16n8k16", p.HasTensor(), p.TensorOps(), p.Tensor},
	} {
		if !m.has {
			continue
		}
		r, err := gpuRate(m.ops, atLeast, m.run)
		if err != nil {
			return nil, err
		}
		c.Peaks = append(c.Peaks, PeakRate{m.typ, m.instruction, r})
	}
	return c, nil
}

// watchGPU adds a GPU's own sensors, if NVIDIA's management library is there to
// read them. It is not on a Jetson, whose sensors the system has.
func watchGPU(s *machine.Sensors, i driver.Info) {
	if g, err := nvml.Open(nvml.Library, i.PCI); err == nil {
		s.AddGPU(i.Name, g)
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

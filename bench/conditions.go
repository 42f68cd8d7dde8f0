package bench

import (
	"math"
	"sort"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
)

// Conditions are what a result's repetitions ran under, as far as its file
// tells.
type Conditions struct {
	// Bandwidth is the median of what was probed around the repetitions, in
	// bytes a second, 0 if it is not known.
	Bandwidth float64 `json:"bandwidth,omitempty"`
	// Foreign is the mean share of the CPUs' time that other programs and, of
	// a virtual machine, its host took, nil if it is not known.
	Foreign *float64 `json:"foreign_load,omitempty"`

	// Peak is that of the CPU's arithmetic, in operations a second, likewise.
	Peak float64 `json:"peak,omitempty"`

	binds  string // [ByBandwidth] or [ByPeak], if what binds the result was probed
	probes Sample // of it, by repetition
	free   Sample // shares of the CPUs' time that were left, by repetition
	cpus   int
}

// least is the share of a CPU that is always thought to be left.
const least = 0.05

// noticed is the foreign load in CPUs up to which all threads are thought to
// have lost the same by it: every system runs something now and then.
const noticed = 0.1

// slowestShare is what of one CPU is left to a thread if the load of others is
// all on its CPU: threads that wait for each other are as slow as that one.
func (c *Conditions) slowestShare() float64 {
	shares := make(Sample, len(c.free))
	for i, free := range c.free {
		shares[i] = free
		if busy := (1 - free) * float64(c.cpus); busy > noticed {
			shares[i] = max(1-busy, least)
		}
	}
	return shares.Mean()
}

// busy is how many CPUs others took.
func (c *Conditions) busy() float64 { return *c.Foreign * float64(c.cpus) }

// conditions are those of a result of the report.
func (r *Report) conditions(res *Result, load *loadCurve) (c Conditions) {
	var bandwidths, peaks, free Sample
	c.cpus = r.Machine.Threads
	for i := range res.Reps {
		rep := &res.Reps[i]
		p := rep.probed()
		if b := res.effective(p); rep.Before > 0 && rep.After > 0 && b > 0 {
			bandwidths = append(bandwidths, b)
		}
		if rep.PeakBefore > 0 && rep.PeakAfter > 0 {
			peaks = append(peaks, p.peak)
		}
		// Only qgo knows when it ran and what of the load is its own.
		if foreign, ok := load.mean(rep.Start, rep.Start+time.Duration(rep.NS)); ok && res.Engine == "qgo" && res.onCPU() && rep.Start > 0 {
			free = append(free, max(1-foreign, least))
		}
	}
	n := len(res.Reps)
	if n == 0 {
		return c
	}
	if len(bandwidths) == n {
		if c.Bandwidth = bandwidths.Median(); res.boundBy(roofline.Memory) {
			c.binds, c.probes = ByBandwidth, bandwidths
		}
	}
	if len(peaks) == n {
		if c.Peak = peaks.Median(); res.boundBy(roofline.Compute) && !res.OnGPU() {
			c.binds, c.probes = ByPeak, peaks
		}
	}
	if len(free) == n && c.cpus > 0 {
		foreign := 1 - free.Mean()
		c.free, c.Foreign = free, &foreign
	}
	return c
}

// boundBy reports whether memory, unless caches hold the model, or compute
// bounds the result.
func (r *Result) boundBy(what string) bool {
	return r.Measured != nil && r.Measured.Binds == what && !r.Cached()
}

// effective is the bandwidth that a model sees which reads one part of its
// bytes with one bandwidth and then the other part with another.
func (r *Result) effective(b probed) float64 {
	if r.GPUCost == nil || r.Cost == nil || b.cpu == 0 || !r.onCPU() {
		return b.main
	}
	all, gpu := r.work(*r.Cost).Bytes, r.work(*r.GPUCost).Bytes
	if !(gpu > 0 && gpu < all) {
		return b.main
	}
	return all / (gpu/b.main + (all-gpu)/b.cpu)
}

// loadCurve is the time of the CPUs that others took, summed up over time.
type loadCurve struct {
	at  []time.Duration
	sum []float64 // until then, in CPUs' nanoseconds by the number of CPUs
}

// newLoadCurve sums a series up; it has no points if the series is none.
func newLoadCurve(s *machine.Series) *loadCurve {
	c := &loadCurve{}
	total := 0.0
	for i := range s.Samples {
		x := &s.Samples[i]
		if i > 0 {
			d := x.At - s.Samples[i-1].At
			if d <= 0 {
				return &loadCurve{}
			}
			// What the host of a virtual machine took counts as busy, too.
			total += min(max(x.CPU-x.Own, 0), 1) * float64(d)
		}
		c.at, c.sum = append(c.at, x.At), append(c.sum, total)
	}
	return c
}

// mean is the share of the CPUs' time that others took between two moments;
// false if no sample tells.
func (c *loadCurve) mean(from, to time.Duration) (float64, bool) {
	n := len(c.at)
	if n < 2 {
		return 0, false
	}
	from, to = max(from, c.at[0]), min(to, c.at[n-1])
	if to <= from {
		return 0, false
	}
	share := (c.until(to) - c.until(from)) / float64(to-from)
	return min(max(share, 0), 1), !math.IsNaN(share)
}

// until is the sum until a moment within the curve.
func (c *loadCurve) until(t time.Duration) float64 {
	i := sort.Search(len(c.at), func(i int) bool { return c.at[i] >= t })
	if i == 0 {
		return 0
	}
	share := float64(t-c.at[i-1]) / float64(c.at[i]-c.at[i-1])
	return c.sum[i-1] + share*(c.sum[i]-c.sum[i-1])
}

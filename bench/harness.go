package bench

import (
	"time"

	"qgo/bench/probe"
)

// Harness is what measuring itself costs and how well it repeats.
type Harness struct {
	ClockNS float64 `json:"clock_ns"` // of reading the clock
	// Overhead is the share of the time of the shortest test's median token
	// that reading the clock and watching the machine take.
	Overhead float64 `json:"overhead"`
	// Repeat is the median deviation, as a share, of the time of a fixed
	// number of multiplications in registers: the machine's own noise, timed
	// in the same way.
	Repeat float64 `json:"repeat"`
}

// Noise measures the harness. watching is the share of one CPU that a monitor
// takes of that many.
func Noise(results []*Result, watching float64, cpus int) *Harness {
	h := &Harness{ClockNS: clockCost(), Repeat: repeatability()}
	shortest := 0.0
	for _, r := range results {
		if r.ITL != nil && (shortest == 0 || r.ITL.P50 < shortest) {
			shortest = r.ITL.P50
		}
	}
	h.Overhead = watching / float64(max(cpus, 1))
	if shortest > 0 {
		h.Overhead += h.ClockNS / (shortest * 1e6)
	}
	return h
}

func clockCost() float64 {
	const readings = 100_000
	start := time.Now()
	for range readings {
		_ = time.Since(start)
	}
	return float64(time.Since(start)) / readings
}

// repeatability times the same work 41 times.
func repeatability() float64 {
	peaks := probe.Best().Peaks
	work := peaks[len(peaks)-1]
	var times, deviations Sample
	for range 41 {
		start := time.Now()
		for range 4 {
			work.Run(peakRounds)
		}
		times = append(times, time.Since(start).Seconds())
	}
	median := times.Median()
	for _, t := range times {
		d := t/median - 1
		deviations = append(deviations, max(d, -d))
	}
	return deviations.Median()
}

package machine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Energy is the energy in joules that the total rails gave between two
// moments, by the trapezoidal rule; false if no rail tells or no two samples
// lie near.
func (s *Series) Energy(from, to time.Duration) (float64, bool) {
	var joules float64
	known := false
	for i := 1; i < len(s.Samples); i++ {
		a, b := &s.Samples[i-1], &s.Samples[i]
		lo, hi := max(a.At, from), min(b.At, to)
		if hi <= lo || b.At <= a.At {
			continue
		}
		wa, okA := s.total(a)
		wb, okB := s.total(b)
		switch {
		case !okB:
			continue
		case !okA: // a counter of energy has no power before its second sample
			wa = wb
		}
		at := func(t time.Duration) float64 { return wa + (wb-wa)*float64(t-a.At)/float64(b.At-a.At) }
		joules += (at(lo) + at(hi)) / 2 * (hi - lo).Seconds()
		known = true
	}
	return joules, known
}

// total is the power of the total rails at a sample.
func (s *Series) total(x *Sample) (watts float64, ok bool) {
	for i, r := range s.Rails {
		if r.Total && i < len(x.Watts) && x.Watts[i] >= 0 {
			watts, ok = watts+x.Watts[i], true
		}
	}
	return watts, ok
}

// foreignLoad is the share of the machine from which on other programs are
// worth a warning.
const foreignLoad = 0.05

// Warnings says what makes the measurements of a run doubtful. alone is set if
// nothing else was to run: the load of engines that take turns is no foreign one.
func Warnings(i *Info, s *Series, alone bool) (all []string) {
	var slow []string
	for _, g := range i.Governors {
		if g != "performance" {
			slow = append(slow, g)
		}
	}
	if len(slow) > 0 {
		all = append(all, fmt.Sprintf("the CPU governor is %s: clocks follow the load with a delay; as root, cpupower frequency-set -g performance", strings.Join(slow, " and ")))
	}
	var foreign, stolen, swapped float64
	if n := len(s.Samples); n > 1 {
		for _, x := range s.Samples[1:] {
			foreign += x.foreign() / float64(n-1)
			stolen += x.Steal / float64(n-1)
		}
		swapped = float64(s.Samples[n-1].SwapIn - s.Samples[0].SwapIn)
	}
	if alone && foreign > foreignLoad {
		text := BusyText(foreign*float64(i.Threads), i.Threads)
		if text == "" {
			text = fmt.Sprintf("other programs used %.0f %% of the machine's CPUs", 100*foreign)
		}
		all = append(all, text+": end them and measure again")
	}
	if stolen > foreignLoad {
		all = append(all, StolenText(stolen)+": measure again when it is quieter")
	}
	var used int64
	for _, x := range s.Samples {
		used = max(used, x.SwapUsed)
	}
	switch {
	case swapped > 1<<20:
		all = append(all, fmt.Sprintf("%.0f MB were swapped in during the run: the memory is too small for what runs", swapped/1e6))
	case used > 1<<20:
		all = append(all, fmt.Sprintf("%.0f MB of swap are in use", float64(used)/1e6))
	}
	return append(all, s.Events...)
}

// Point is how much work a second was done until a moment.
type Point struct {
	At   time.Duration
	Rate float64
}

// Limits of what counts as throttling.
const (
	rateFell  = 0.15 // of the rate
	clockFell = 0.07 // of the clock
	tooHot    = 2.0  // °C below the passive trip point
)

// Throttled looks for the moment from which on work went slower, and says
// when and, if sensors tell, why; "" if it did not. points are in order of
// time.
func (s *Series) Throttled(what string, points []Point) string {
	const edge = 5 // points on either side at least
	if len(points) < 2*edge {
		return ""
	}
	mean := func(p []Point) (sum float64) {
		for _, x := range p {
			sum += x.Rate
		}
		return sum / float64(len(p))
	}
	// The best cut is that between whose sides the squared distance of the
	// means, weighted by their lengths, is largest.
	best, cut := 0.0, 0
	for i := edge; i <= len(points)-edge; i++ {
		a, b := mean(points[:i]), mean(points[i:])
		n := float64(len(points))
		if gain := (a - b) * (a - b) * float64(i) / n * (n - float64(i)) / n; a > b && gain > best {
			best, cut = gain, i
		}
	}
	if cut == 0 {
		return ""
	}
	before, after := mean(points[:cut]), mean(points[cut:])
	if after > (1-rateFell)*before {
		return ""
	}
	at := points[cut].At
	text := fmt.Sprintf("%s fell %.0f %% after %.0f s", what, 100*(1-after/before), (at - points[0].At).Seconds())
	var why []string
	end := points[len(points)-1].At
	for i, z := range s.Zones {
		if z.Passive == 0 {
			continue
		}
		if hot := s.hottest(i, at, end); hot >= z.Passive-tooHot {
			why = append(why, fmt.Sprintf("zone %s passed %.0f °C", z.Name, min(hot, z.Passive)))
		}
	}
	for _, c := range clocks {
		fast, slow := s.clock(c.of, points[0].At, at), s.clock(c.of, at, end)
		if fast > 0 && slow < (1-clockFell)*fast {
			why = append(why, fmt.Sprintf("%s dropped to %.1f GHz", c.what, slow/1e9))
		}
	}
	if len(why) == 0 {
		return text + "; neither a temperature nor the clock explains it"
	}
	return text + " when " + strings.Join(why, " and ")
}

// clocks are those that fall when a machine is throttled.
var clocks = []struct {
	what string
	of   func(*Sample) float64
}{
	{"the clock", func(x *Sample) float64 { return x.Clock }},
	{"the GPU's clock", func(x *Sample) float64 { return x.GPUClock }},
}

// hottest is the highest temperature of a zone between two moments.
func (s *Series) hottest(zone int, from, to time.Duration) (hot float64) {
	for _, x := range s.Samples {
		if x.At >= from && x.At <= to && zone < len(x.Temps) {
			hot = max(hot, x.Temps[zone])
		}
	}
	return hot
}

// clock is the median of a clock between two moments, 0 if unknown.
func (s *Series) clock(of func(*Sample) float64, from, to time.Duration) float64 {
	var all []float64
	for i := range s.Samples {
		x := &s.Samples[i]
		if v := of(x); x.At >= from && x.At <= to && v > 0 {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

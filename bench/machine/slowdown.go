package machine

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Slowdown is a span of time in which something slowed the machine down.
type Slowdown struct {
	From   time.Duration `json:"from_ns"` // since the monitor began
	To     time.Duration `json:"to_ns"`   // the last sample that saw it
	Reason string        `json:"reason"`  // in words
}

// maxSlowdowns is how many are kept of a run: more than anybody reads.
const maxSlowdowns = 1000

// slowed notes the reasons that a sample found: what the sample before had
// found, too, goes on.
func (m *Monitor) slowed(at time.Duration, reasons []string) {
	all := &m.series.Slowdowns
	for j, reason := range reasons {
		if slices.Contains(reasons[:j], reason) {
			continue
		}
		i := slices.IndexFunc(*all, func(x Slowdown) bool { return x.Reason == reason && x.To == m.seen })
		switch {
		case i >= 0:
			(*all)[i].To = at
		case len(*all) < maxSlowdowns:
			*all = append(*all, Slowdown{at, at, reason})
		}
	}
	m.seen = at
}

// clockLeft is the share of a clock's highest below which it is said to have
// fallen.
const clockLeft = 1 - clockFell

// busy is the share of the CPUs' or the GPU's time from which on a low clock is
// not one of idleness.
const busy = 0.5

// maxZones is how many zones are looked at: no machine has as many.
const maxZones = 64

// AllSlowdowns are the slowdowns in order of time: those that the machine told,
// and what its temperatures and clocks show: zones at the point from which on
// the system slows the machine down, and clocks that are low while one is near
// it.
func (s *Series) AllSlowdowns() []Slowdown {
	all := slices.Clone(s.Slowdowns)
	for i, z := range s.Zones[:min(len(s.Zones), maxZones)] {
		if z.Passive <= 0 {
			continue
		}
		at := func(x *Sample) bool { return i < len(x.Temps) && x.Temps[i] >= z.Passive }
		for _, part := range s.spans(at) {
			all = append(all, part.slowdown(fmt.Sprintf("%s is at %.0f °C, and throttled from %.0f °C on", z.Name, part.hottest(i, part.from(), part.to()), z.Passive)))
		}
	}
	for _, c := range clocks {
		highest := 0.0
		for i := range s.Samples {
			highest = max(highest, c.of(&s.Samples[i]))
		}
		low := func(x *Sample) bool {
			v := c.of(x)
			return v > 0 && v < clockLeft*highest && max(x.CPU, x.GPU) >= busy && s.hot(x) >= 0
		}
		for _, part := range s.spans(low) {
			first := &part.Samples[0]
			zone := s.hot(first)
			all = append(all, part.slowdown(fmt.Sprintf("%s is %.2f GHz of %.2f at %.0f °C of %s",
				c.what, part.clock(c.of, part.from(), part.to())/1e9, highest/1e9, first.Temps[zone], s.Zones[zone].Name)))
		}
	}
	slices.SortStableFunc(all, func(a, b Slowdown) int { return cmp.Compare(a.From, b.From) })
	return all[:min(len(all), maxSlowdowns)]
}

// hot is the first zone that is near the point of throttling at a sample, -1
// for none.
func (s *Series) hot(x *Sample) int {
	for i, z := range s.Zones[:min(len(s.Zones), maxZones)] {
		if z.Passive > 0 && i < len(x.Temps) && x.Temps[i] >= z.Passive-tooHot {
			return i
		}
	}
	return -1
}

// spans are the parts of a series in all of whose samples something holds.
func (s *Series) spans(holds func(*Sample) bool) (all []*Series) {
	for i := 0; i < len(s.Samples) && len(all) < maxSlowdowns; i++ {
		first := i
		for i < len(s.Samples) && holds(&s.Samples[i]) {
			i++
		}
		if i > first {
			all = append(all, &Series{Zones: s.Zones, Samples: s.Samples[first:i]})
		}
	}
	return all
}

func (s *Series) from() time.Duration { return s.Samples[0].At }
func (s *Series) to() time.Duration   { return s.Samples[len(s.Samples)-1].At }

// slowdown is one for as long as the series.
func (s *Series) slowdown(reason string) Slowdown { return Slowdown{s.from(), s.to(), reason} }

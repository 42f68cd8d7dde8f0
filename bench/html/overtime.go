package html

import (
	"fmt"
	"slices"
	"strings"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// maxSensors is the number of sensors in a plot.
const maxSensors = 16

// maxMarks is the number of marks of a kind in a plot.
const maxMarks = 20

// bandwidthChart shows every probe of the bandwidth in order of time, and what
// decode read between them.
func bandwidthChart(report *bench.Report, all []run) *chart {
	c := &chart{
		Title: "Bandwidth during the run", X: &axis{Label: "time, s"}, Y: &axis{Label: "GB/s"},
		Caption: "Probes before and after every repetition; where they jump, the machine changed under the measurement, and a mark says so.",
	}
	line := series{Name: "probes in order of time", As: asLine, Colour: grey}
	states := map[string]*series{}
	cpu := series{Name: "bandwidth of the CPU, probed", As: asDots, Colour: 4}
	reads := series{Name: "read by decode", As: asDots, Colour: 2}
	last := ""
	for _, r := range all {
		rates := r.Rates()
		median := rates.Median()
		for i := range r.Reps {
			rep := &r.Reps[i]
			if rep.After <= 0 || r.Engine != "qgo" {
				continue
			}
			start, end := rep.Start.Seconds(), rep.Start.Seconds()+float64(rep.NS)/1e9
			probe := func(at, v, ofCPU float64) {
				if v <= 0 {
					return
				}
				state := r.Bandwidth.Of(v)
				if states[state] == nil {
					states[state] = &series{Name: stateNames[state], As: asDots, Colour: stateColours[state]}
				}
				line.add(at, v/1e9, "")
				states[state].add(at, v/1e9, r.test())
				if ofCPU > 0 {
					cpu.add(at, ofCPU/1e9, r.test())
				}
				if last != "" && last != state && (last == bench.Slow || state == bench.Slow) && len(c.Marks) < maxMarks {
					x := digits(at)
					c.Marks = append(c.Marks, mark{X: &x, Text: "the bandwidth becomes " + state})
				}
				last = state
			}
			if i == 0 {
				probe(start, rep.Before, rep.CPUBefore)
			}
			probe(end, rep.After, rep.CPUAfter)
			if r.Decodes() && median > 0 && i < len(rates) && !r.apart {
				reads.add((start+end)/2, r.GBS*rates[i]/median, r.test())
			}
		}
	}
	if len(line.Points) == 0 {
		return nil
	}
	slices.SortStableFunc(line.Points, func(a, b [2]float64) int {
		switch {
		case a[0] < b[0]:
			return -1
		case a[0] > b[0]:
			return 1
		}
		return 0
	})
	c.Series = append(c.Series, line)
	for _, state := range []string{bench.Steady, bench.Fast, bench.Slow} {
		if s := states[state]; s != nil {
			c.Series = append(c.Series, *s)
		}
	}
	for _, s := range []series{cpu, reads} {
		if len(s.Points) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	c.reach()
	c.slowed(report.Series.AllSlowdowns())
	return c
}

var (
	stateNames   = map[string]string{bench.Steady: "bandwidth, probed", bench.Fast: "bandwidth in the fast state", bench.Slow: "bandwidth in the slow state"}
	stateColours = map[string]int{bench.Steady: 0, bench.Fast: 0, bench.Slow: 1}
)

// follow adds a line of what samples have; what is not above the least was not
// measured.
func (c *chart) follow(s *machine.Series, name string, least float64, of func(i int) float64) {
	if len(c.Series) == maxSensors {
		return
	}
	line := series{Name: name, As: asLine}
	for i := range s.Samples {
		if v := of(i); v > least {
			line.add(s.Samples[i].At.Seconds(), v, "")
		}
	}
	if len(line.Points) > 1 {
		c.Series = append(c.Series, line)
	}
}

// temperatureChart shows the zones over time, and where they throttle.
func temperatureChart(report *bench.Report, _ []run) *chart {
	s := &report.Series
	c := &chart{Title: "Temperature over time", X: &axis{Label: "time, s"}, Y: &axis{Label: "°C"}, Caption: "By the machine's own sensors."}
	for i, z := range s.Zones {
		c.follow(s, show.Text(z.Name), 0, at(s, i, func(x *machine.Sample) []float64 { return x.Temps }))
		if z.Passive <= 0 || len(c.Marks) >= maxMarks {
			continue
		}
		for _, x := range s.Samples {
			if i < len(x.Temps) && x.Temps[i] >= z.Passive {
				when, level := digits(x.At.Seconds()), digits(z.Passive)
				c.Marks = append(c.Marks, mark{X: &when, Text: fmt.Sprintf("%s reaches %s °C, where it is throttled", show.Text(z.Name), number(z.Passive))})
				if !slices.ContainsFunc(c.Marks, func(m mark) bool { return m.Y != nil && *m.Y == level }) {
					c.Marks = append(c.Marks, mark{Y: &level, Text: "throttled from here: " + show.Text(z.Name)})
				}
				break
			}
		}
	}
	if len(c.Series) == 0 {
		return nil
	}
	c.paint()
	c.reach()
	c.slowed(s.Slowdowns) // the lines show what the temperatures tell
	c.Caption += events(s)
	return c
}

// at is one of the values of each sample, below 0 where it has none.
func at(s *machine.Series, i int, of func(*machine.Sample) []float64) func(int) float64 {
	return func(j int) float64 {
		if all := of(&s.Samples[j]); i < len(all) {
			return all[i]
		}
		return -1
	}
}

// events are the faults of supply and cooling that a monitor saw, in words.
func events(s *machine.Series) string {
	const most = 5
	var texts []string
	for _, e := range s.Events[:min(most, len(s.Events))] {
		texts = append(texts, show.Text(e))
	}
	if texts == nil {
		return ""
	}
	return " During the run: " + strings.Join(texts, "; ") + "."
}

// clockChart shows how fast the processors' clocks are and how busy they are.
func clockChart(report *bench.Report, _ []run) *chart {
	s := &report.Series
	c := &chart{Title: "Clock and use over time", X: &axis{Label: "time, s"}, Y: &axis{Label: "%"}, Caption: "Clocks are shares of the highest that was seen."}
	for _, clock := range []struct {
		name string
		of   func(*machine.Sample) float64
	}{
		{"CPU clock", func(x *machine.Sample) float64 { return x.Clock }},
		{"GPU clock", func(x *machine.Sample) float64 { return x.GPUClock }},
		{"memory clock", func(x *machine.Sample) float64 { return x.MemClock }},
	} {
		highest := 0.0
		for i := range s.Samples {
			highest = max(highest, clock.of(&s.Samples[i]))
		}
		if highest > 0 {
			c.follow(s, fmt.Sprintf("%s, of %.2f GHz", clock.name, highest/1e9), 0, func(i int) float64 { return 100 * clock.of(&s.Samples[i]) / highest })
			c.drops(s, clock.name, highest, clock.of)
		}
	}
	for _, use := range []struct {
		name string
		of   func(*machine.Sample) float64
	}{{"CPU use", func(x *machine.Sample) float64 { return x.CPU }}, {"GPU use", func(x *machine.Sample) float64 { return x.GPU }}} {
		if slices.ContainsFunc(s.Samples, func(x machine.Sample) bool { return use.of(&x) > 0 }) {
			c.follow(s, use.name, -1, func(i int) float64 {
				if i == 0 {
					return -2 // a share of no time
				}
				return 100 * use.of(&s.Samples[i])
			})
		}
	}
	if len(c.Series) == 0 {
		return nil
	}
	c.paint()
	c.reach()
	c.slowed(s.AllSlowdowns())
	if len(s.Zones) == 0 {
		c.Caption += " The machine has no temperature sensor that can be read." + events(s)
	}
	return c
}

// drops marks the first moment at which a clock is much lower than before while
// there is work to do.
func (c *chart) drops(s *machine.Series, name string, highest float64, of func(*machine.Sample) float64) {
	const fell, busy = 0.93, 0.5
	seen := false
	for i := range s.Samples {
		x := &s.Samples[i]
		if max(x.CPU, x.GPU) < busy || of(x) <= 0 {
			continue
		}
		if of(x) >= 0.99*highest {
			seen = true
		}
		if seen && of(x) < fell*highest {
			when := digits(x.At.Seconds())
			c.Marks = append(c.Marks, mark{X: &when, Text: fmt.Sprintf("the %s falls to %.2f GHz", name, of(x)/1e9)})
			return
		}
	}
}

// powerChart shows the rails' power over time.
func powerChart(report *bench.Report, _ []run) *chart {
	s := &report.Series
	c := &chart{Title: "Power over time", X: &axis{Label: "time, s"}, Y: &axis{Label: "W"}, Caption: "By the board's own sensors."}
	for i, r := range s.Rails {
		c.follow(s, show.Text(r.Name), -0.5, at(s, i, func(x *machine.Sample) []float64 { return x.Watts }))
	}
	if len(c.Series) == 0 {
		return nil
	}
	c.paint()
	c.reach()
	c.slowed(s.AllSlowdowns())
	return c
}

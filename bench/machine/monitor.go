package machine

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
)

// Sample is the machine at one moment. What could not be read is 0; of the
// lists, -1.
type Sample struct {
	At       time.Duration `json:"at_ns"`              // since the monitor began
	CPU      float64       `json:"cpu"`                // share of the time of the logical CPUs that the process may use in which they were busy since the sample before
	Own      float64       `json:"own"`                // of it, what was for this process
	Steal    float64       `json:"steal,omitempty"`    // of it, what the host of a virtual machine gave to others
	GPU      float64       `json:"gpu,omitempty"`      // share
	Clock    float64       `json:"clock_hz,omitempty"` // of the CPUs, on average
	GPUClock float64       `json:"gpu_clock_hz,omitempty"`
	MemClock float64       `json:"memory_clock_hz,omitempty"`
	Temps    []float64     `json:"celsius,omitempty"` // zone by zone
	Watts    []float64     `json:"watts,omitempty"`   // rail by rail
	MemUsed  int64         `json:"memory_used"`
	SwapUsed int64         `json:"swap_used"`
	Faults   int64         `json:"major_faults"` // of this process, since the monitor began
	SwapIn   int64         `json:"swapped_in"`   // bytes, since the machine's start
}

// Series is what a monitor saw.
type Series struct {
	Zones   []Zone   `json:"zones,omitempty"`
	Rails   []Rail   `json:"rails,omitempty"`
	Samples []Sample `json:"samples"`
	Events  []string `json:"events,omitempty"` // faults of supply and cooling, in words
	// Slowdowns are what counters and rails told, and when.
	Slowdowns []Slowdown `json:"slowdowns,omitempty"`
	// Cost is the share of one CPU that watching took.
	Cost float64 `json:"cost"`
}

// system is what a monitor learns without sysfs; tests put their own.
type system interface{ fill(s *Sample) }

// Monitor takes samples until it is stopped.
type Monitor struct {
	sensors *Sensors
	system  system
	start   time.Time
	stop    chan struct{}
	done    sync.WaitGroup

	mu     sync.Mutex
	series Series
	first  []uint64      // faults at the start
	worst  []uint64      // any seen
	before []uint64      // at the sample before
	seen   time.Duration // when that was
	energy []float64
	last   time.Time
	took   []time.Duration // each sample
}

// Watch begins to take a sample every so often. Stop it.
func Watch(s *Sensors, every time.Duration) *Monitor {
	m := newMonitor(s, newHostSystem(), time.Now())
	m.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-tick.C:
				now := time.Now()
				m.sample(now)
				m.mu.Lock()
				m.took = append(m.took, time.Since(now))
				m.mu.Unlock()
			}
		}
	})
	return m
}

func newMonitor(s *Sensors, sys system, now time.Time) *Monitor {
	m := &Monitor{sensors: s, system: sys, start: now, stop: make(chan struct{}), first: s.faults()}
	m.worst, m.before = slices.Clone(m.first), m.first
	for _, z := range s.zones {
		m.series.Zones = append(m.series.Zones, z.Zone)
	}
	for _, r := range s.rails {
		m.series.Rails = append(m.series.Rails, r.Rail)
	}
	m.sample(now)
	return m
}

// shortest is the least time between the last two samples.
const shortest = 100 * time.Millisecond

// Start is the moment that samples count from.
func (m *Monitor) Start() time.Time { return m.start }

// Stop ends the monitor and returns what it saw.
func (m *Monitor) Stop() Series {
	close(m.stop)
	m.done.Wait()
	now := time.Now()
	// A share of a moment would be that of one tick of the system's clock.
	if now.Sub(m.last) > shortest {
		m.sample(now)
	}
	return m.finish(now)
}

func (m *Monitor) finish(now time.Time) Series {
	m.series.Events = m.sensors.explain(m.first, m.worst, " (during the run)")
	if d := now.Sub(m.start); d > 0 {
		// The median: some samples wait for a CPU, which costs nobody anything.
		slices.Sort(m.took)
		if n := len(m.took); n > 0 {
			m.series.Cost = m.took[n/2].Seconds() * float64(n) / d.Seconds()
		}
	}
	return m.series
}

// sample reads everything once.
func (m *Monitor) sample(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sensors
	x := Sample{At: now.Sub(m.start)}
	sum, n := 0.0, 0
	for _, c := range s.clocks {
		if v, ok := s.read(c); ok {
			sum += v
			n++
		}
	}
	if n > 0 {
		x.Clock = sum / float64(n)
	}
	x.GPU, _ = s.read(s.gpuLoad)
	x.GPUClock, _ = s.read(s.gpuClock)
	x.MemClock, _ = s.read(s.memClock)
	for _, z := range s.zones {
		v, ok := s.read(z.sensor)
		if !ok {
			v = -1
		}
		x.Temps = append(x.Temps, v)
	}
	x.Watts = m.watts(now)
	faults := s.faults()
	m.slowed(x.At, s.explain(m.before, faults, ""))
	m.before = faults
	for i, v := range faults {
		if i < len(s.counters) && s.counters[i].bits != nil {
			m.worst[i] |= v // a bit that was set once
		} else {
			m.worst[i] = max(m.worst[i], v)
		}
	}
	m.system.fill(&x)
	m.series.Samples = append(m.series.Samples, x)
}

// watts reads all rails. A counter of energy needs the reading before.
func (m *Monitor) watts(now time.Time) []float64 {
	var all []float64
	dt := now.Sub(m.last).Seconds()
	first := m.energy == nil
	if first {
		m.energy = make([]float64, len(m.sensors.rails))
	}
	for i, r := range m.sensors.rails {
		w := -1.0
		switch {
		case r.power.path != "" || r.power.ask != nil:
			if v, ok := m.sensors.read(r.power); ok {
				w = v
			}
		case r.energy.path != "":
			v, ok := m.sensors.read(r.energy)
			if ok && !first && dt > 0 {
				d := v - m.energy[i]
				if d < 0 {
					d += r.wraps
				}
				w = d / dt
			}
			m.energy[i] = v
		default:
			volts, okV := m.sensors.read(r.voltage)
			amperes, okA := m.sensors.read(r.current)
			if okV && okA {
				w = volts * amperes
			}
		}
		all = append(all, w)
	}
	m.last = now
	return all
}

// hostSystem reads this machine by gopsutil.
type hostSystem struct {
	process      *process.Process
	times        busyTimes
	own          float64
	faultsBefore int64
}

func newHostSystem() *hostSystem {
	h := &hostSystem{}
	h.process, _ = process.NewProcess(int32(os.Getpid()))
	var first Sample
	h.fill(&first)
	h.faultsBefore = first.Faults
	return h
}

func (h *hostSystem) fill(s *Sample) {
	if t, ok := cpuTimes(); ok {
		d, known := t.total-h.times.total, h.times.total > 0
		if known = known && d > 0; known {
			s.CPU = 1 - (t.idle-h.times.idle)/d
			s.Steal = max(t.steal-h.times.steal, 0) / d
		}
		if h.process != nil {
			if own, err := h.process.Times(); err == nil {
				used := own.User + own.System
				if known {
					s.Own = (used - h.own) / d
				}
				h.own = used
			}
		}
		h.times = t
	}
	if v, err := mem.VirtualMemory(); err == nil {
		s.MemUsed = int64(v.Used)
	}
	if v, err := mem.SwapMemory(); err == nil {
		s.SwapUsed, s.SwapIn = int64(v.Used), int64(v.Sin)
	}
	if h.process != nil && runtime.GOOS == "linux" {
		if f, err := h.process.PageFaults(); err == nil {
			s.Faults = int64(f.MajorFaults) - h.faultsBefore
		}
	}
}

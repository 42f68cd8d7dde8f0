package machine

import "qgo/kernels/plan"

// throttleReasons are why a GPU's clock is not higher (NVML reference manual,
// "nvmlClocksThrottleReasons"). Being idle, and clocks that are kept equal with
// another GPU's or a display's, are no faults.
var throttleReasons = []string{
	0: "",
	1: "the GPU's clock is held down by its settings: nvidia-smi -q -d CLOCK shows them, nvidia-smi -rac resets them",
	2: "the GPU slowed down to stay within its power limit: nvidia-smi -q -d POWER shows it",
	3: "the GPU's hardware halved its clock or worse: it is too hot, or its supply is too weak",
	4: "",
	5: "the GPU slowed down because it is too hot: it needs more air",
	6: "the GPU's hardware slowed it down because it is too hot: it needs more air",
	7: "the GPU's hardware slowed it down because its supply demanded it",
	8: "",
}

// AddGPU adds what a GPU tells of itself to the sensors. What the system tells
// of a GPU gives way to it.
func (s *Sensors) AddGPU(name string, g plan.Sensors) {
	for _, x := range []struct {
		to  *sensor
		ask func() (float64, bool)
	}{{&s.gpuLoad, g.Load}, {&s.gpuClock, g.Clock}, {&s.memClock, g.MemClock}} {
		if _, ok := x.ask(); ok {
			*x.to = sensor{ask: x.ask}
		}
	}
	if _, ok := g.Temperature(); ok {
		slowdown, _ := g.SlowdownTemperature()
		s.zones = append(s.zones, zone{Zone{Name: name, Passive: slowdown}, sensor{ask: g.Temperature}})
	}
	if _, ok := g.Power(); ok {
		s.rails = append(s.rails, rail{Rail: Rail{Name: name, Total: true}, power: sensor{ask: g.Power}})
	}
	if _, ok := g.Throttle(); ok {
		s.counters = append(s.counters, counter{bits: throttleReasons, ask: g.Throttle})
	}
}

package machine

import (
	"testing"

	"github.com/shirou/gopsutil/v4/cpu"
)

func TestBusyText(t *testing.T) {
	for _, test := range []struct {
		busy float64
		cpus int
		want string
	}{
		{0.4, 16, ""},
		{0.9, 1, "the only CPU is busy with other programs"},
		{0.6, 2, "1 of 2 CPUs is busy with other programs"},
		{2.8, 16, "3 of 16 CPUs are busy with other programs"},
	} {
		if got := BusyText(test.busy, test.cpus); got != test.want {
			t.Errorf("%v of %d: %q, want %q", test.busy, test.cpus, got, test.want)
		}
	}
}

func TestForeign(t *testing.T) {
	for _, test := range []struct{ cpu, own, steal, want float64 }{
		{0.75, 0.25, 0, 0.5},
		{0.75, 0.25, 0.25, 0.25},
		{0.25, 0.5, 0, 0}, // clocks of different steps
	} {
		s := Sample{CPU: test.cpu, Own: test.own, Steal: test.steal}
		if got := s.foreign(); got != test.want {
			t.Errorf("%v busy, %v of its own: %v, want %v", test.cpu, test.own, got, test.want)
		}
	}
}

func TestAddTimes(t *testing.T) {
	times := []cpu.TimesStat{{CPU: "cpu0", User: 1, System: 2, Idle: 3, Iowait: 4}, {CPU: "cpu1", Nice: 1, Irq: 1, Softirq: 1, Steal: 5, Idle: 2}, {CPU: "cpu2", User: 100}}
	if got, want := addTimes(times, map[string]bool{"cpu0": true, "cpu1": true}), (busyTimes{20, 9, 5}); got != want {
		t.Errorf("two CPUs: %+v, want %+v", got, want)
	}
	if got, want := addTimes(times, nil), (busyTimes{120, 9, 5}); got != want {
		t.Errorf("all CPUs: %+v, want %+v", got, want)
	}
	if _, ok := cpuTimes(); !ok {
		t.Error("this system does not tell the times of its CPUs")
	}
}

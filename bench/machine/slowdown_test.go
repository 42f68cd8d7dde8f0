package machine

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSlowdowns lets a Raspberry Pi fail for a while, and once between samples.
func TestSlowdowns(t *testing.T) {
	const bits = "sys/devices/platform/soc/soc:firmware/get_throttled"
	fsys := pi()
	start := time.Unix(0, 0)
	m := newMonitor(Discover(fsys), still{}, start)
	for i, state := range []string{"0", "50005", "50005", "50000", "50000", "50004", "d0000"} {
		set(fsys, bits, state)
		m.sample(start.Add(time.Duration(i+1) * time.Second))
	}
	got := m.finish(start.Add(7 * time.Second)).Slowdowns
	const s = time.Second
	want := []Slowdown{{2 * s, 3 * s, throttled[0]}, {2 * s, 3 * s, throttled[2]}, {6 * s, 6 * s, throttled[2]}, {7 * s, 7 * s, throttled[3]}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestAllSlowdowns finds what temperatures and clocks show.
func TestAllSlowdowns(t *testing.T) {
	const sec = time.Second
	s := Series{
		Zones:     []Zone{{"AO-therm", 0}, {"CPU-therm", 70}},
		Slowdowns: []Slowdown{{4 * sec, 5 * sec, "over-current"}},
	}
	for i, x := range []struct{ clock, temp, use float64 }{
		{1.4e9, 60, 1}, {0.9e9, 61, 1}, {1.4e9, 69, 1}, {0.9e9, 69, 1}, {0.8e9, 70.5, 1}, {0.9e9, 71, 1}, {0.9e9, 69, 0.1}, {1.4e9, 60, 1},
	} {
		s.Samples = append(s.Samples, Sample{At: time.Duration(i) * sec, CPU: x.use, Clock: x.clock, Temps: []float64{90, x.temp}})
	}
	want := []Slowdown{
		{3 * sec, 5 * sec, "the clock is 0.90 GHz of 1.40 at 69 °C of CPU-therm"},
		{4 * sec, 5 * sec, "over-current"},
		{4 * sec, 5 * sec, "CPU-therm is at 71 °C, and throttled from 70 °C on"},
	}
	if got := s.AllSlowdowns(); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := (&Series{}).AllSlowdowns(); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestNoPower says why there is no energy.
func TestNoPower(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"only root may read RAPL": {"sys/class/powercap/intel-rapl:0/name": "package-0", "sys/class/powercap/intel-rapl:0/energy_uj": "secret"},
		"virtual machine":         {"proc/cpuinfo": "flags\t\t: fpu hypervisor"},
		"a Jetson Nano 2GB":       {"proc/device-tree/model": "NVIDIA Jetson Nano 2GB Developer Kit\x00"},
		"battery is not":          {"sys/class/power_supply/BAT0/status": "Charging", "sys/class/power_supply/BAT0/power_now": "1"},
		"no INA3221, RAPL":        {},
	} {
		if got := Discover(tree(files)).noPower(); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, fsys := range []fs.FS{nano(), laptop()} {
		if got := Discover(fsys).noPower(); got != "" {
			t.Errorf("a machine with sensors: %q", got)
		}
	}
}

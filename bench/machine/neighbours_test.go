package machine

import "testing"

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
	for _, test := range []struct{ cpu, own, want float64 }{
		{0.75, 0.25, 0.5},
		{0.25, 0.5, 0}, // clocks of different steps
	} {
		s := Sample{CPU: test.cpu, Own: test.own}
		if got := s.foreign(); got != test.want {
			t.Errorf("%v busy, %v of its own: %v, want %v", test.cpu, test.own, got, test.want)
		}
	}
}

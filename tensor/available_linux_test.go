package tensor

import "testing"

func TestParseAvailable(t *testing.T) {
	for in, want := range map[string]int64{
		"MemTotal:       24105 kB\nMemFree:  1 kB\nMemAvailable:   23730 kB\nBuffers: 7 kB\n": 23730 << 10,
		"MemAvailable: 0 kB":       0,
		"MemTotal:       24105 kB": -1,
		"MemAvailable: 12":         -1,
		"MemAvailable: x kB":       -1,
		"MemAvailable:":            -1,
		"":                         -1,
	} {
		got, ok := parseAvailable([]byte(in))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, ok, want)
		}
	}
	if n, ok := Available(); !ok || n <= 0 {
		t.Errorf("this system: %d, %v", n, ok)
	}
}

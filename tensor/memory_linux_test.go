package tensor

import (
	"math"
	"testing"
)

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
	l, known := Memory()
	if n, ok := Available(); !ok || !known || n <= 0 || l.Source == "" {
		t.Errorf("this system: %d, %v, %+v", n, ok, l)
	}
}

func TestAddressesLeft(t *testing.T) {
	const page = 4096
	for _, c := range []struct {
		limit uint64
		statm string
		want  int64
	}{
		{2 << 30, "1000 500 1 2 3 4 5\n", 2<<30 - 1000*page - runtimeReserve},
		{1 << 20, "1000 500 1 2 3 4 5\n", 0}, // less than is in use
		{math.MaxUint64, "1000 500\n", -1},
		{2 << 30, "", -1},
		{2 << 30, "x 1\n", -1},
		{2 << 30, "-7 1\n", -1},
		{2 << 30, "9223372036854775807 1\n", -1},
	} {
		got, limited := addressesLeft(c.limit, []byte(c.statm), page)
		if limited != (c.want >= 0) || limited && got != c.want {
			t.Errorf("limit %d, statm %q: %d, %v; want %d", c.limit, c.statm, got, limited, c.want)
		}
	}
}

// TestLeast wants the smallest limit, with its name.
func TestLeast(t *testing.T) {
	of := func(n int64, source string) func() (Limit, bool) {
		return func() (Limit, bool) { return Limit{n, source}, n >= 0 }
	}
	for _, c := range []struct {
		free, container, addresses int64
		want                       Limit
	}{
		{5, 3, 4, Limit{3, SourceContainer}},
		{5, -1, 4, Limit{4, SourceAddresses}},
		{5, -1, -1, Limit{5, SourceFree}},
		{-1, 0, 4, Limit{0, SourceContainer}},
	} {
		got, known := least(of(c.free, SourceFree), of(c.container, SourceContainer), of(c.addresses, SourceAddresses))
		if !known || got != c.want {
			t.Errorf("%+v: %+v, %v", c, got, known)
		}
	}
	if l, known := least(of(-1, SourceFree)); known {
		t.Errorf("nothing known: %+v", l)
	}
}

package bench

import "testing"

func TestStates(t *testing.T) {
	s := FindStates(Sample{77, 76, 40, 41, 75, 42})
	if !s.Two() || s.Slow != 41 || s.Fast != 76 || s.Flips != 3 {
		t.Errorf("%+v, want 41 and 76 and 3 flips", s)
	}
	for _, c := range []struct {
		before, after float64
		want          string
	}{{40, 42, Slow}, {70, 80, Fast}, {40, 80, Mixed}, {80, 40, Mixed}} {
		if got := s.Around(c.before, c.after); got != c.want {
			t.Errorf("from %v to %v is %s, want %s", c.before, c.after, got, c.want)
		}
	}
	steady := FindStates(Sample{50, 52, 49, 51})
	if steady.Two() || steady.Fast != 50.5 || steady.Around(49, 52) != Steady {
		t.Errorf("%+v, want one state of 50.5", steady)
	}
	if s := FindStates(nil); s.Two() || s.Fast != 0 {
		t.Errorf("no probes: %+v", s)
	}
}

func TestQuantiles(t *testing.T) {
	s := Sample{4, 1, 3, 2, 5}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.9: 4.6, 1: 5, 0.25: 2} {
		if got := s.Quantile(q); got-want > 1e-12 || want-got > 1e-12 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if p := (Sample{2, 4}).Percentiles(); p.Mean != 3 || p.P50 != 3 || p.Max != 4 || p.Std*p.Std-2 > 1e-12 {
		t.Errorf("%+v", p)
	}
	if (Sample{}).Median() != 0 || (Sample{7}).Stddev() != 0 {
		t.Error("no values have a median, or one value a deviation")
	}
}

package roofline

import (
	"reflect"
	"testing"
)

// TestBound lets each of four limits bind in turn.
func TestBound(t *testing.T) {
	l := Limits{Bandwidth: 100, Peak: 1000, Launch: 0.01, Exchange: 0.001}
	for _, c := range []struct {
		work  Work
		binds string
		rate  float64
	}{
		{Work{Tokens: 1, FLOP: 100, Bytes: 50, Launches: 20}, Memory, 2},
		{Work{Tokens: 1, FLOP: 1000, Bytes: 50, Launches: 20}, Compute, 1},
		{Work{Tokens: 1, FLOP: 100, Bytes: 50, Launches: 400}, Launches, 0.25},
		{Work{Tokens: 8, FLOP: 1000, Bytes: 50, Launches: 400}, Launches, 2},
		{Work{Tokens: 1, FLOP: 1e9, Bytes: 50}, Compute, 1e-6},
		{Work{Tokens: 1, FLOP: 100, Bytes: 50, Launches: 20, Exchanges: 499}, Memory, 2},
		{Work{Tokens: 1, FLOP: 100, Bytes: 50, Launches: 20, Exchanges: 4000}, Exchanges, 0.25},
	} {
		b := c.work.Bound(l)
		near(t, "rate", b.Rate, c.rate, 1e-12)
		if b.Binds != c.binds || b.Ridge != 10 || (b.LaunchRate > 0) != (c.work.Launches > 0) || (b.ExchangeRate > 0) != (c.work.Exchanges > 0) {
			t.Errorf("%+v: %+v, want a bound by %s", c.work, b, c.binds)
		}
	}
	if b := (Work{Tokens: 1, FLOP: 1e9, Bytes: 50, Launches: 1e9, Exchanges: 1e9}).Bound(Limits{Bandwidth: 100}); b.Rate != 2 || b.Binds != Memory || b.FLOPRate != 0 || b.LaunchRate != 0 || b.ExchangeRate != 0 {
		t.Errorf("with nothing known but the bandwidth: %+v", b)
	}
}

// TestSerial adds the times of a GPU that launches bind and a CPU that memory
// binds.
func TestSerial(t *testing.T) {
	gpu := Work{Tokens: 1, FLOP: 100, Bytes: 50, Launches: 25}.Bound(Limits{Bandwidth: 1000, Peak: 1e4, Launch: 0.01}) // 0.05, 0.01, 0.25 s
	cpu := Work{Tokens: 1, FLOP: 100, Bytes: 50}.Bound(Limits{Bandwidth: 100, Peak: 1000})                             // 0.5, 0.1 s
	b := Serial(cpu, gpu)
	near(t, "rate", b.Rate, 1/0.75, 1e-12)
	near(t, "rate by memory", b.MemoryRate, 1/0.55, 1e-12)
	near(t, "rate by arithmetic", b.FLOPRate, 1/0.11, 1e-12)
	near(t, "rate by launches", b.LaunchRate, 4, 1e-12)
	near(t, "ridge", b.Ridge, (200/0.11)/(100/0.55), 1e-12)
	near(t, "intensity", b.Intensity, 2, 1e-12)
	want := Work{Tokens: 1, FLOP: 200, Bytes: 100, Launches: 25}
	if b.Binds != Memory || b.Work != want || !reflect.DeepEqual(b.Parts, []Bound{cpu, gpu}) {
		t.Errorf("%+v, want a bound by memory of %+v", b, want)
	}
	// With a faster CPU, launches take most of the time.
	cpu = cpu.Work.Bound(Limits{Bandwidth: 1000})
	if b = Serial(cpu, gpu); b.Binds != Launches {
		t.Errorf("%+v, want a bound by launches", b)
	}
	near(t, "rate", b.Rate, 1/0.3, 1e-12)
	// And exchanges where the GPU needs those instead.
	gpu = Work{Tokens: 1, FLOP: 100, Bytes: 50, Exchanges: 25}.Bound(Limits{Bandwidth: 1000, Exchange: 0.01})
	b = Serial(cpu, gpu)
	if b.Binds != Exchanges || b.Exchanges != 25 {
		t.Errorf("%+v, want a bound by 25 exchanges", b)
	}
	near(t, "rate by exchanges", b.ExchangeRate, 4, 1e-12)
	if alone := Serial(gpu); alone.Rate != gpu.Rate || alone.Binds != gpu.Binds || alone.Work != gpu.Work {
		t.Errorf("%+v of one part, want %+v", alone, gpu)
	}
}

package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/bench/machine"
)

// governed is a machine that has nothing but a governor, and a function that
// reads it.
func governed(t *testing.T) (c *machine.PowerControl, governor func() string) {
	t.Helper()
	return governedAt(t, t.TempDir())
}

func governedAt(t *testing.T, root string) (c *machine.PowerControl, governor func() string) {
	t.Helper()
	dir := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"scaling_governor": "schedutil", "scaling_available_governors": "performance powersave schedutil"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = machine.NewPowerControl(root)
	c.Settle = 0
	return c, func() string {
		b, err := os.ReadFile(filepath.Join(dir, "scaling_governor"))
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(b))
	}
}

// TestPlanPowerModes measures in two modes, of which one is set.
func TestPlanPowerModes(t *testing.T) {
	p := planOf(Test{Gen: 4}, Test{Prompt: 8})
	c, governor := governed(t)
	var err error
	if p.PowerModes, err = c.Parse("as-is,governor=powersave"); err != nil {
		t.Fatal(err)
	}
	p.Power = c
	var seen []string
	p.Progress = func(s Status) {
		if strings.Contains(s.Step, "repetition") {
			seen = append(seen, governor())
		}
	}
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"schedutil", "powersave"}; !slices.Equal(slices.Compact(seen), want) {
		t.Errorf("governors while it measured: %q, want %q", seen, want)
	}
	if governor() != "schedutil" {
		t.Errorf("the governor stays %s", governor())
	}
	var modes, ceilings []machine.PowerMode
	for _, res := range r.Results {
		modes = append(modes, res.PowerMode)
	}
	for _, c := range r.Ceilings {
		ceilings = append(ceilings, c.PowerMode)
	}
	if want := []machine.PowerMode{"as-is", "as-is", "governor=powersave", "governor=powersave"}; !slices.Equal(modes, want) || !slices.Equal(ceilings, p.PowerModes) {
		t.Errorf("results in %q, ceilings in %q", modes, ceilings)
	}
	if faults := r.Verify(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	if varying := Varying(r.Results); !slices.Equal(varying, []string{LabelTest, LabelPower}) {
		t.Errorf("%q vary", varying)
	}
	if change, err := Compare(r, r, false); err != nil || len(change.Changes) != 4 {
		t.Errorf("%+v, %v", change, err)
	}
}

// TestPlanPowerModeEnds restores what was set when a run is broken off, and when
// it fails.
func TestPlanPowerModeEnds(t *testing.T) {
	data, err := os.ReadFile(demoFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, fails := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p := planOf(Test{Gen: 4})
		c, governor := governed(t)
		ctx, cancel := context.WithCancel(t.Context())
		p.Models, p.PowerModes, p.Power = []string{file}, []machine.PowerMode{"governor=powersave"}, c
		set := false
		p.Progress = func(s Status) {
			set = set || governor() == "powersave"
			switch {
			case fails && set:
				_ = os.Remove(file) // so that it cannot be loaded
			case strings.Contains(s.Step, "repetition 2"):
				cancel()
			}
		}
		_, err := p.Run(ctx)
		cancel()
		if err == nil || errors.Is(err, context.Canceled) == fails {
			t.Errorf("%v", err)
		}
		if !set || governor() != "schedutil" {
			t.Errorf("it was set: %v; after that it is %s", set, governor())
		}
	}
}

// TestPlanFewerCPUs measures with no more threads than a mode leaves CPUs.
func TestPlanFewerCPUs(t *testing.T) {
	root := t.TempDir()
	c, _ := governedAt(t, root)
	online := filepath.Join(root, "sys/devices/system/cpu/online")
	if err := os.WriteFile(online, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := planOf(Test{Gen: 4})
	p.Threads, p.PowerModes, p.Power = []int{1, 2}, []machine.PowerMode{machine.AsIs}, c
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 1 || r.Results[0].Threads != 1 || !slices.Contains(r.Warnings, "the power mode as-is leaves fewer CPUs on: it is measured with 1 thread in place of 2") {
		t.Errorf("%d results, warnings %q", len(r.Results), r.Warnings)
	}
}

func TestBestModes(t *testing.T) {
	of := func(mode machine.PowerMode, gen int, rate, joules float64) *Result {
		r := result(func(r *Result) { r.PowerMode, r.Gen, r.SamplesTS = mode, gen, Sample{rate} })
		r.Reps = []Rep{{NS: int64(float64(gen) / rate * 1e9), Gen: gen, Joules: joules * float64(gen)}}
		r.JoulesPerToken = joules
		return r
	}
	all := []*Result{
		of("as-is", 128, 50, 0.4), of("as-is", 64, 51, 0), of("rapl=15", 128, 40, 0.25), of("rapl=15", 64, 52, 0), of("rapl=5", 128, 10, 0.5),
		of("as-is", 32, 50, 0.4), of("", 16, 50, 0.4),
	}
	got := BestModes(all)
	want := []BestMode{{[]*Result{all[0], all[2], all[4]}, all[0], all[2]}, {[]*Result{all[1], all[3]}, all[3], nil}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	all[2].Threads = 1 // the mode has switched a CPU off
	if got := BestModes([]*Result{all[0], all[2]}); len(got) != 1 || len(got[0].All) != 2 {
		t.Errorf("with fewer threads in one mode: %+v", got)
	}
	if got := BestModes([]*Result{all[0], all[2], of("rapl=15", 128, 30, 0.25)}); len(got) != 1 || len(got[0].All) != 2 || got[0].Thrifty.Threads != 2 {
		t.Errorf("with several threads in one mode: %+v", got)
	}
	all[2].Threads = 2
	if r := all[2]; r.TokensPerJoule() != 4 || math.Abs(r.Watts()-10) > 1e-6 {
		t.Errorf("%v tokens/J at %v W, want 4 at 10", r.TokensPerJoule(), r.Watts())
	}
	if r := all[1]; r.TokensPerJoule() != 0 || r.Watts() != 0 {
		t.Errorf("without energy: %v tokens/J at %v W", r.TokensPerJoule(), r.Watts())
	}
	if got, want := all[2].Beside(all[0]), "with rapl=15"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := all[0].Words(LabelPower), "power as it is"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPowerPairs compares results of the same mode only; as-is is what results
// without a mode have.
func TestPowerPairs(t *testing.T) {
	in := func(mode machine.PowerMode) *Report {
		return &Report{Results: []*Result{result(func(r *Result) { r.PowerMode = mode; r.TestTime = time.Unix(1e9, 0) })}}
	}
	for _, x := range []struct {
		a, b machine.PowerMode
		same bool
	}{{"", "", true}, {"", "as-is", true}, {"as-is", "as-is", true}, {"rapl=15", "rapl=15", true}, {"", "rapl=15", false}, {"rapl=15", "as-is", false}, {"rapl=15", "rapl=10", false}} {
		c, err := Compare(in(x.a), in(x.b), false)
		if same := err == nil && len(c.Changes) == 1; same != x.same {
			t.Errorf("%q and %q: %v, want %v (%v)", x.a, x.b, same, x.same, err)
		}
	}
}

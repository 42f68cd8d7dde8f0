package format

import (
	"math"
	"strings"
	"testing"

	"qgo/bench"
)

// TestPowerMode checks that all forms tell and keep power modes and energy.
func TestPowerMode(t *testing.T) {
	r := report(t)
	r.Results[0].PowerMode, r.Results[1].PowerMode, r.Results[2].PowerMode = "as-is", "governor=powersave+rapl=15", "nvpmodel=1"
	r.Results[1].JoulesPerToken = 0.25
	for form, wants := range map[string][]string{
		"json":      {`"power_mode": "governor=powersave+rapl=15"`},
		"jsonl":     {`"power_mode":"nvpmodel=1"`},
		"csv":       {",power_mode,joules_per_token,", ",governor=powersave+rapl=15,0.25,"},
		"md":        {"| threads | power | test |", "| 4 | as-is | pp512 |", "| of bound | tokens/J |", "| 4 | governor=powersave+rapl=15 | tg128 @ d64 |", " | 4 |\n"},
		"benchstat": {"/power=as-is-4 ", "/batch=512/power=governor=powersave+rapl=15-4 ", "/power=nvpmodel=1-4 "},
	} {
		got := write(t, r, form)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if form == "benchstat" {
			continue
		}
		again, err := Read([]byte(got))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		for i, want := range r.Results {
			if got := again.Results[i]; got.PowerMode != want.PowerMode || math.Abs(got.JoulesPerToken-want.JoulesPerToken) > 1e-9 {
				t.Errorf("%s: %q with %v J/token, want %q with %v", form, got.PowerMode, got.JoulesPerToken, want.PowerMode, want.JoulesPerToken)
			}
		}
		if c, err := bench.Compare(r, again, false); err != nil || len(c.Changes) != 3 {
			t.Errorf("%s is compared with what it was written from: %+v, %v", form, c, err)
		}
	}
}

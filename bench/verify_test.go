package bench

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestVerify measures, and wants no fault in the report until something is
// changed in it.
func TestVerify(t *testing.T) {
	p := planOf(Test{Prompt: 16}, Test{Gen: 8})
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if faults := r.Verify(); len(faults) != 0 {
		t.Fatalf("of an honest report: %q", faults)
	}
	for name, c := range map[string]struct {
		change func(r *Report)
		want   string
	}{
		"a rate":          {func(r *Report) { r.Results[0].MedianTS *= 1.001 }, "results[0], pp16 of qgo: median_ts is "},
		"a share":         {func(r *Report) { r.Results[1].OfMeasured = 0.9 * r.Results[1].OfMeasured }, "results[1], tg8 of qgo: share_of_measured is "},
		"a time":          {func(r *Report) { r.Results[1].Reps[0].NS /= 2 }, "the tokens of repetition 1 took "},
		"a gap":           {func(r *Report) { r.Results[1].Reps[1].Gaps[3] *= 3 }, "the tokens of repetition 2 took "},
		"tokens":          {func(r *Report) { r.Results[0].Reps[0].Prompt = 160 }, "repetition 1 is of 160 and 0 tokens, and not of 16 and 0"},
		"order":           {func(r *Report) { r.Results[0].Reps[1].Start = 0 }, "repetition 2 began before"},
		"no time":         {func(r *Report) { r.Results[0].Reps[0].NS = 0 }, "repetition 1 took 0 ns for 16 tokens"},
		"a bandwidth":     {func(r *Report) { r.Results[1].Reps[0].After *= 2 }, "share_of_measured is "},
		"a ceiling":       {func(r *Report) { r.Ceilings[0].Read.Median = 2 * r.Ceilings[0].Read.Best }, "ceilings[0]: read has a median of "},
		"a faster engine": {func(r *Report) { r.Results[1].Engine, r.Results[1].MedianTS = "study", 1e9 }, ""},
		"what is impossible": {func(r *Report) {
			// A model of 1 TB, which no cache holds, at a million times the rate.
			res := r.Results[1]
			res.Cost.Weights = 1 << 40
			res.Summarise(r.limits(res), r.Reference)
			for i := range res.Reps {
				res.Reps[i].Before, res.Reps[i].After = 1e9, 1e9
			}
			res.Summarise(r.limits(res), r.Reference)
		}, "t/s are impossible"},
	} {
		var changed Report
		if err := json.Unmarshal(whole, &changed); err != nil {
			t.Fatal(err)
		}
		c.change(&changed)
		faults := strings.Join(changed.Verify(), "\n")
		if !strings.Contains(faults, c.want) || c.want == "" && faults != "" {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}

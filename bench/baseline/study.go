package baseline

import (
	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/model"
)

// studies are the figures of the published study of Qwen2.5-0.5B q4_0 on a
// Jetson Nano that docs/roofline.md examines, with the profile of the machine
// that each is of.
var studies = []struct {
	profile string
	test    bench.Test
	rate    float64
}{
	{"jetson-nano", bench.Test{Prompt: 512}, 115.89},
	{"jetson-nano", bench.Test{Gen: 128}, 8.0},
	{"apple-m3", bench.Test{Prompt: 512}, 158633},
}

// NanoStudy returns the published figures as results, each beside the bound
// of its own machine.
func NanoStudy() ([]*bench.Result, error) {
	s, err := roofline.OutlineByName("qwen2.5-0.5b:q4_0", model.Options{})
	if err != nil {
		return nil, err
	}
	var all []*bench.Result
	for _, f := range studies {
		m, err := roofline.ProfileByName(f.profile)
		if err != nil {
			return nil, err
		}
		r := &bench.Result{
			Engine: "study on " + m.Name, CPUInfo: m.Title, ModelFilename: s.Name, ModelType: s.Name, ModelSize: s.Size(),
			Batch: model.DefaultMaxRows, Prompt: f.test.Prompt, Gen: f.test.Gen, Cost: &s.Cost,
			Reps: []bench.Rep{{NS: int64(float64(f.test.Tokens()) / f.rate * 1e9), Prompt: f.test.Prompt, Gen: f.test.Gen}},
		}
		r.Summarise(bench.Limits{}, *m)
		r.Impossible = r.OfGiven > 1
		all = append(all, r)
	}
	return all, nil
}

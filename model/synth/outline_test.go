package synth

import (
	"context"
	"strings"
	"testing"

	"qgo/model"
	"qgo/model/arch"
)

// TestOutline checks that a model of each family costs the same with and without
// weights, and that one without is not run.
func TestOutline(t *testing.T) {
	for _, family := range arch.All {
		spec, err := ParseSpec("0.5b", "q4_0")
		if err != nil {
			t.Fatal(err)
		}
		spec.Shape = Shape{Name: "tiny", Width: 64, FFN: 128, Blocks: 2, Heads: 4, KV: 2, HeadDim: 32, Arch: family}
		spec.Vocab = 5000
		outline, err := spec.Outline()
		if err != nil {
			t.Fatal(err)
		}
		file, err := Build(spec)
		if err != nil {
			t.Fatal(err)
		}
		c1, m1, cost1, err := model.Survey(outline, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c2, m2, cost2, err := model.Survey(file, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if *c1 != *c2 || m1 != m2 || cost1 != cost2 || c1.Arch != family || c1.HeadDim != 32 {
			t.Errorf("outline %+v %+v %+v, file %+v %+v %+v", c1, m1, cost1, c2, m2, cost2)
		}
		if notes, err := model.Oddities(file); err != nil || len(notes) != 0 {
			t.Errorf("%s: notes %q, %v", family.Name, notes, err)
		}
		if _, err := model.Load(context.Background(), outline, model.Options{}); err == nil || !strings.Contains(err.Error(), "outline") {
			t.Errorf("an outline was loaded: %v", err)
		}
	}
}

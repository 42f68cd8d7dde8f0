package roofline

import (
	"testing"

	"qgo/model"
	"qgo/quant"
)

// TestLoss checks shares of published perplexities.
func TestLoss(t *testing.T) {
	for _, c := range []struct {
		size, mix string
		want      float64
	}{{"0.5b", "f16", 0}, {"0.5b", "fp16", 0}, {"0.5b", "q8_0", 0.00376}, {"0.5b", "Q4_0", 0.12639}, {"1.5b", "q4_k_m", 0.03070}, {"32b", "q2_k", 0.20677}} {
		if got, known := Loss(c.size, c.mix); !known {
			t.Errorf("%s in %s: unknown", c.size, c.mix)
		} else if d := got - c.want; d > 5e-6 || d < -5e-6 {
			t.Errorf("%s in %s: %.5f, want %.5f", c.size, c.mix, got, c.want)
		}
	}
	for _, name := range [][2]string{{"7b", "q4_0"}, {"0.5b", "q4_k_s"}, {"0.6b", "q8_0"}} {
		if loss, known := Loss(name[0], name[1]); known {
			t.Errorf("%q: %v is published of none", name, loss)
		}
	}
	for size, like := range map[string]string{"0.5b": "0.5b", "0.6b": "0.5b", "3b": "1.5b", "14b": "1.5b", "72b": "32b"} {
		want, _ := Loss(like, "q4_0")
		if got := lossLike(size, "q4_0"); got != want {
			t.Errorf("%s is judged by a loss of %v, want the %s's, %v", size, got, like, want)
		}
	}
	for mix, want := range map[string]bool{"f16": false, "q8_0": false, "q4_0": false, "q4_k_m": false, "q3_k_m": true, "q2_k": true, "iq1_s": true} {
		if coarse(mix) != want {
			t.Errorf("%s: coarse is %v", mix, !want)
		}
	}
	for size, of := range perplexities {
		for mix := range of {
			if _, err := quant.ParseMix(mix); err != nil {
				t.Errorf("%s: %v", size, err)
			}
		}
	}
}

// TestNoF16 wants f16 recommended nowhere: q8_0 loses next to nothing.
func TestNoF16(t *testing.T) {
	for _, name := range []string{"raspberry-pi-5", "jetson-orin-nano"} {
		p, err := ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := Advise(p, 4096, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := Recommend(all, 0); ok && recipe(a.Quantisation) == "f16" {
			t.Errorf("%s: %s", p.Name, a.Name())
		}
	}
}

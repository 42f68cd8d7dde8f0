package main

import "testing"

// TestFloor takes the busiest unit, and divides by the work that was done.
func TestFloor(t *testing.T) {
	r := &result{instructions: 40, cycles: 30, uses: map[string]float64{"L": 8, "V": 24}}
	per := r.per(4)
	if per.floor() != 6 || per.cycles != 7.5 || per.instructions != 10 {
		t.Errorf("%+v with the floor %g", per, per.floor())
	}
}

func TestProduct(t *testing.T) {
	for text, want := range map[string]bool{
		"smull v0.8h, v1.8b, v2.8b": true, "smlal2 v0.8h, v1.16b, v2.16b": true, "sdot v0.4s, v1.16b, v2.16b": true,
		"usdot v0.4s, v1.16b, v2.4b[0]": true, "smmla v0.4s, v1.16b, v2.16b": true, "umull v0.8h, v1.8b, v2.8b": true,
		"mul x0, x1, x2": false, "fmla v0.4s, v1.4s, v2.4s": false, "sadalp v0.4s, v1.8h": false,
	} {
		if product.MatchString(text) != want {
			t.Errorf("%q is a product: %v", text, !want)
		}
	}
}

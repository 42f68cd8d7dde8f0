package roofline

import (
	"slices"
	"strings"
	"testing"

	"qgo/model"
	"qgo/model/hub"
)

// checkNames wants advice about exactly the models that pull knows.
func checkNames(t *testing.T, all []Advice) {
	t.Helper()
	var got, want []string
	for _, a := range all {
		got = append(got, a.Names...)
	}
	for _, n := range hub.Names() {
		want = append(want, n.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("advice about %q, want %q", got, want)
	}
}

// TestSizes compares the larger shapes and those of Qwen3 with the sizes of published
// files.
func TestSizes(t *testing.T) {
	for name, want := range map[string]float64{
		"qwen2.5-coder-7b:fp16":    15.24e9,
		"qwen2.5-coder-7b:q2_k":    3.02e9,
		"qwen2.5-7b:q4_k_m":        4.68e9,
		"qwen2.5-14b:q4_k_m":       8.99e9,
		"qwen2.5-coder-32b:q8_0":   34.8e9,
		"qwen2.5-72b:q4_0":         41.2e9,
		"qwen2.5-coder-14b:q4_k_m": 8.99e9,
		"qwen3-0.6b:q8_0":          639446688,
		"qwen3-1.7b:q8_0":          1834426016,
		"qwen3-4b:q4_k_m":          2497280256,
		"qwen3-4b:q5_0":            2823710976,
		"qwen3-4b:q5_k_m":          2889513184,
		"qwen3-4b:q6_k":            3.31e9,
		"qwen3-4b:q8_0":            4.28e9,
	} {
		s := survey(t, name)
		near(t, name, float64(s.Size()), want, 0.02)
		if s.Name != name {
			t.Errorf("%s is called %s", name, s.Name)
		}
	}
	for name, want := range map[string]int{"qwen2.5-0.5b:q4_0": 32768, "qwen3-0.6b:q8_0": 40960} {
		if got := survey(t, name).Config.Context; got != want {
			t.Errorf("%s has a context of %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]string{"qwen2.5-8b:q4_0": "0.5b, 1.5b, 3b, 7b, 14b, 32b, 72b", "7b:q4": "q4_k_m"} {
		if _, err := OutlineByName(name, model.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

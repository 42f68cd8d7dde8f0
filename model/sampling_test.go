package model

import (
	"cmp"
	"maps"
	"reflect"
	"testing"

	"qgo/gguf"
	"qgo/model/arch"
	"qgo/model/demo"
	"qgo/model/sample"
)

func TestRecommendedSampling(t *testing.T) {
	const qwen, deepseek = "Qwen's recommendation", "DeepSeek's recommendation"
	for _, c := range []struct {
		name  string
		arch  *arch.Arch // nil means Qwen2's
		width int
		vocab int
		keys  map[string]any
		want  sample.Params
		from  map[string]string
	}{
		{name: "qwen2.5-7b-instruct", width: 3584, vocab: 152064, want: sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen, "repeat-penalty": qwen}},
		{name: "Qwen2.5 Coder 0.5B Instruct", width: 896, vocab: 151936, want: sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen, "repeat-penalty": qwen}},
		{name: "DeepSeek R1 Distill Qwen 1.5B", width: 1536, vocab: 151936, want: sample.Params{Temperature: 0.6, TopP: 0.95},
			from: map[string]string{"temp": deepseek, "top-p": deepseek}},
		{name: "QwQ 32B", width: 5120, vocab: 152064, want: sample.Params{Temperature: 0.6, TopK: 40, TopP: 0.95},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen}},
		{name: "Qwen3 0.6B", arch: &arch.Qwen3, vocab: 151936, want: sample.Params{Temperature: 0.6, TopK: 20, TopP: 0.95},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen}},
		{name: "Qwen3-4B-Thinking-2507", arch: &arch.Qwen3, vocab: 151936, want: sample.Params{Temperature: 0.6, TopK: 20, TopP: 0.95},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen}},
		{name: "Qwen3 4B Instruct 2507", arch: &arch.Qwen3, vocab: 151936, want: sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8},
			from: map[string]string{"temp": qwen, "top-k": qwen, "top-p": qwen}},
		{name: "DeepSeek R1 0528 Qwen3 8B", arch: &arch.Qwen3, vocab: 151936, want: sample.Params{Temperature: 0.6, TopP: 0.95},
			from: map[string]string{"temp": deepseek, "top-p": deepseek}},
		{name: "of one's own", arch: &arch.Qwen3, vocab: 151642, from: map[string]string{}},
		{name: "of one's own", width: 896, vocab: 4096, from: map[string]string{}},
		{name: "Qwen2.5", width: 3584, vocab: 152064,
			keys: map[string]any{"temp": float32(0.3), "top_k": int32(-1), "top_p": float32(1.5), "penalty_last_n": int32(64), "penalty_repeat": float32(1.2)},
			want: sample.Params{Temperature: 0.3, TopP: 1, RepeatPenalty: 1.2, PenaltyWindow: 64},
			from: map[string]string{"temp": FromFile, "top-k": FromFile, "top-p": FromFile, "repeat-penalty": FromFile, "repeat-last-n": FromFile}},
		{name: "of one's own", vocab: 100, keys: map[string]any{"min_p": float32(0.05), "penalty_last_n": int32(0)},
			want: sample.Params{MinP: 0.05, PenaltyWindow: -1}, from: map[string]string{"min-p": FromFile, "repeat-last-n": FromFile}},
		// Values of no use.
		{name: "of one's own", vocab: 100, from: map[string]string{"temp": FromFile},
			keys: map[string]any{"temp": float32(-1), "top_k": "many", "top_p": float32(-3), "min_p": float32(2), "penalty_repeat": float32(-1), "penalty_last_n": int32(-9)}},
	} {
		h := gguf.Header{}
		for key, v := range c.keys {
			h.Meta = append(h.Meta, gguf.KV{Key: "general.sampling." + key, Value: v})
		}
		f, err := h.Outline("x")
		if err != nil {
			t.Fatal(err)
		}
		config := &Config{Name: c.name, Arch: cmp.Or(c.arch, &arch.Qwen2)}
		config.Width, config.Vocab = c.width, c.vocab
		r := RecommendedSampling(f, config)
		if !reflect.DeepEqual(r.Params, c.want) || !maps.Equal(r.Sources, c.from) {
			t.Errorf("%s %v: %+v; want %+v, %v", c.name, c.keys, r, c.want, c.from)
		}
	}
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	if r := RecommendedSampling(f, c); !r.Greedy() {
		t.Errorf("the demonstration model is sampled with %+v", r)
	}
}

package arch

import "qgo/model/sample"

// Qwen2 is that of Qwen2 and Qwen2.5 (arXiv:2407.10671 and 2412.15115).
var Qwen2 = Arch{
	Name:    "qwen2",
	Title:   "Qwen2 and Qwen2.5",
	Bias:    true,
	Split:   "qwen2",
	Tokens:  qwenTokens,
	Stretch: "Qwen2.5 reaches 131072 tokens with YaRN (factor 4 on 32768)",
	// The documentation of Qwen2.5, and the model cards of the others.
	Makers: []Maker{
		{"deepseekr1", "DeepSeek's recommendation", sample.Params{Temperature: 0.6, TopP: 0.95}},
		{"qwq", "Qwen's recommendation", sample.Params{Temperature: 0.6, TopK: 40, TopP: 0.95}},
		{"", "Qwen's recommendation", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05}},
	},
}

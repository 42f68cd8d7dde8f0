package arch

import "qgo/model/sample"

// Qwen3 is that of the dense models of Qwen3 (arXiv:2505.09388).
var Qwen3 = Arch{
	Name:     "qwen3",
	Title:    "Qwen3",
	HeadNorm: true,
	Split:    "qwen2",
	Tokens:   qwenTokens,
	Stretch:  "Qwen3 from 4B on reaches 131072 tokens with YaRN (factor 4 on 32768)",
	// The model cards, for answers after thinking, which is what the templates
	// ask for unless told otherwise; the models of July 2025 called Instruct do
	// not think. DeepSeek has distilled R1 into one, too.
	Makers: []Maker{
		{"instruct2507", "Qwen's recommendation", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8}},
		{"deepseekr1", "DeepSeek's recommendation", sample.Params{Temperature: 0.6, TopP: 0.95}},
		{"", "Qwen's recommendation", sample.Params{Temperature: 0.6, TopK: 20, TopP: 0.95}},
	},
}

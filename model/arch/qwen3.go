package arch

import "qgo/model/sample"

// Qwen3 is that of the dense models of Qwen3 (arXiv:2505.09388).
var Qwen3 = Arch{
	Name:     "qwen3",
	Title:    "Qwen3",
	HeadNorm: true,
	Split:    "qwen2",
	Tokens:   qwenTokens,
	// The model cards, for answers after thinking, which is what the templates
	// ask for unless told otherwise. DeepSeek has distilled R1 into one, too.
	Makers: []Maker{
		{"deepseekr1", "DeepSeek's recommendation", sample.Params{Temperature: 0.6, TopP: 0.95}},
		{"", "Qwen's recommendation", sample.Params{Temperature: 0.6, TopK: 20, TopP: 0.95}},
	},
}

package roofline

import (
	"strconv"
	"strings"
)

// LossSource is where [Loss] has its figures from.
const LossSource = "perplexities of Qwen2.5-Instruct in 0.5b, 1.5b and 32b, published with the files at huggingface.co/ThomasBaruzier (perplexity.md of each), quantised with an importance matrix"

// perplexities are those of LossSource, by size and quantisation. Of the 3b and
// the 14b none in f16 was published, of the 7b and the 72b none at all.
var perplexities = map[string]map[string]float64{
	"0.5b": {
		"f16": 15.1819, "q8_0": 15.2390, "q6_k": 15.2145, "q5_k_m": 15.4788, "q5_1": 15.4875, "q5_0": 15.5038,
		"q4_k_m": 15.4428, "q4_1": 16.1819, "iq4_nl": 15.8468, "iq4_xs": 15.8792, "q4_0": 17.1007, "q3_k_m": 15.8499, "q2_k": 17.6841,
	},
	"1.5b": {
		"f16": 10.1512, "q8_0": 10.1670, "q6_k": 10.2030, "q5_k_m": 10.2529, "q5_1": 10.2624, "q5_0": 10.3196,
		"q4_k_m": 10.4628, "q4_1": 10.5100, "iq4_nl": 10.5116, "iq4_xs": 10.5302, "q4_0": 10.8217, "q3_k_m": 11.3529, "q2_k": 14.1657,
	},
	"32b": {
		"f16": 5.5191, "q8_0": 5.5221, "q6_k": 5.5305, "q5_k_m": 5.5670, "q5_1": 5.5734, "q5_0": 5.5880,
		"q4_k_m": 5.6224, "q4_1": 5.6586, "iq4_nl": 5.6408, "iq4_xs": 5.6502, "q4_0": 5.6946, "q3_k_m": 5.8008, "q2_k": 6.6603,
	},
}

// Loss is by what share a quantisation raises the perplexity of Qwen2.5-Instruct
// of that size over that of f16, where both are published.
func Loss(size, mix string) (share float64, published bool) {
	of := perplexities[size]
	ppl := of[recipe(mix)]
	if ppl == 0 {
		return 0, false
	}
	return ppl/of["f16"] - 1, true
}

// lossLike is the loss of the largest size with published figures that is no
// larger, or of the smallest: larger models lose less.
func lossLike(size, mix string) float64 {
	of := func(size string) float64 {
		v, _ := strconv.ParseFloat(strings.TrimSuffix(size, "b"), 64)
		return v
	}
	like := "0.5b"
	for s := range perplexities {
		if of(s) <= of(size) && of(s) > of(like) {
			like = s
		}
	}
	loss, _ := Loss(like, mix)
	return loss
}

// coarse reports whether a quantisation loses more than q4_0, the coarsest in
// common use, in any of the sizes that are published.
func coarse(mix string) bool {
	for _, of := range perplexities {
		if ppl, known := of[recipe(mix)]; !known || ppl > of["q4_0"] {
			return true
		}
	}
	return false
}

package synth

import (
	"hash/fnv"
	"math"
	"strings"
)

// values generates the rows of one tensor.
type values struct {
	seed    uint64
	mean    float32
	std     float32
	spike   float32 // what the outlier channels are multiplied with; 1 for none
	channel []int   // outlier channels
}

// outliers is the number of hidden channels that are much larger than the
// others, as in every trained transformer (Dettmers et al. 2022,
// arXiv:2208.07339).
const outliers = 6

// values chooses the distribution of a tensor so that hidden states keep
// their size from block to block and logits are a few units wide.
func (s Spec) values(name string, cols int) values {
	h := fnv.New64a()
	h.Write([]byte(name))
	v := values{seed: s.Seed ^ h.Sum64(), spike: 1}
	unit := float32(1 / math.Sqrt(float64(cols))) // keeps the size of what it multiplies
	last := name[strings.LastIndex(strings.TrimSuffix(strings.TrimSuffix(name, ".weight"), ".bias"), ".")+1:]
	switch last {
	case "attn_k.bias":
		v.std, v.spike = 1, 60 // Qwen2's biases of keys reach a hundred and more
	case "attn_q.bias", "attn_v.bias":
		v.std = 0.2
	case "attn_norm.weight", "ffn_norm.weight", "attn_q_norm.weight", "attn_k_norm.weight":
		v.mean, v.std, v.spike = 1, 0.1, 0.3
	case "output_norm.weight":
		v.mean, v.std, v.spike = 3, 0.3, 0.2
	case "token_embd.weight", "output.weight":
		v.std, v.spike = unit, 20
	case "attn_output.weight", "ffn_down.weight":
		v.std = unit * float32(1/math.Sqrt(float64(2*s.Blocks)))
	default:
		v.std = unit
	}
	if v.spike != 1 {
		// The same channels in the whole model.
		for i := range outliers {
			v.channel = append(v.channel, int(mix(s.Seed+uint64(i)+1)%uint64(cols)))
		}
	}
	return v
}

// row writes row r: approximately normal values, the sums of four uniform
// numbers of 16 bits.
func (v values) row(dst []float32, r int) {
	const lanes = 0x0000ffff0000ffff
	state := mix(v.seed + uint64(r)*0x9e3779b97f4a7c15)
	scale := v.std / float32(math.Sqrt(4.0/12)*65536)
	for i := range dst {
		state += 0x9e3779b97f4a7c15
		x := mix(state)
		x = x&lanes + x>>16&lanes
		dst[i] = v.mean + scale*float32(int32(uint32(x)+uint32(x>>32))-2*65535)
	}
	for _, c := range v.channel {
		dst[c] *= v.spike
	}
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood 2014,
// "Fast Splittable Pseudorandom Number Generators").
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

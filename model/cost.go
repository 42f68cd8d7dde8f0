package model

import (
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// Cost is the work of one decoded token: what the machine must read and
// compute at the least.
type Cost struct {
	Weights int64 // bytes of the weights multiplied, and one row of the embedding
	MACs    int64 // multiplications with weights, in decode
	Head    int64 // of them, those of the output head, which prefill needs once a prompt
	HeadW   int64 // bytes of its weights
	KVRow   int64 // bytes of keys and values per position of depth
	KVMACs  int64 // multiplications of attention per position of depth
}

// costOf returns the work per token of a model whose keys and values are of
// type kv.
func costOf(p plan.Plan, kv quant.Type) (c Cost) {
	add := func(t tensor.Tensor) int64 {
		c.Weights += int64(t.Rows) * int64(t.RowBytes())
		c.MACs += int64(t.Rows) * int64(t.Cols)
		return int64(t.Rows) * int64(t.Cols)
	}
	for _, b := range p.Blocks {
		for _, l := range []plan.Linear{b.Q, b.K, b.V, b.O, b.Gate, b.Up, b.Down} {
			add(l.W)
			c.Weights += int64(4 * len(l.Bias))
		}
		c.Weights += int64(4 * (len(b.AttnNorm) + len(b.QNorm) + len(b.KNorm) + len(b.FFNNorm)))
	}
	if p.Head != nil {
		c.Head = add(p.Head.W)
		c.HeadW = int64(p.Head.W.Rows) * int64(p.Head.W.RowBytes())
		c.Weights += int64(4 * len(p.Head.Norm))
	}
	if p.Embedding != nil {
		c.Weights += int64(p.Embedding.RowBytes())
	}
	blocks := int64(len(p.Blocks))
	c.KVRow = 2 * blocks * int64(p.KVHeads) * int64(kv.RowBytes(p.HeadDim))
	c.KVMACs = 2 * blocks * int64(p.QDim())
	return c
}

// Bytes is what a token decoded at that depth reads from memory.
func (c Cost) Bytes(depth int) int64 { return c.Weights + int64(depth)*c.KVRow }

// FLOP is the number of floating-point operations, two for a multiplication
// and its addition, of a token decoded at that depth.
func (c Cost) FLOP(depth int) int64 { return 2 * (c.MACs + int64(depth)*c.KVMACs) }

// PrefillFLOP is that of a prompt of n tokens that follow depth others. Only
// the last one needs the output head.
func (c Cost) PrefillFLOP(n, depth int) int64 {
	pairs := int64(n)*int64(depth) + int64(n)*int64(n+1)/2
	return 2 * (int64(n)*(c.MACs-c.Head) + c.Head + pairs*c.KVMACs)
}

// Cost returns the work of a decoded token.
func (m *Model) Cost() Cost { return costOf(m.plan, m.kvType) }

// Sub is the work that is left when d is done elsewhere.
func (c Cost) Sub(d Cost) Cost {
	return Cost{
		Weights: c.Weights - d.Weights, MACs: c.MACs - d.MACs, Head: c.Head - d.Head,
		HeadW: c.HeadW - d.HeadW, KVRow: c.KVRow - d.KVRow, KVMACs: c.KVMACs - d.KVMACs,
	}
}

package simd

import (
	"math"

	"qgo/kernels/generic"
	"qgo/quant"
)

// attend is generic.Attend, its multiplications and additions fused if Fused
// says so. Queries next to each other that see as much are
// computed together: those of the heads that share a KV head, and of all rows
// where none sees the end of the chunk.
func (o *Ops) attend(a *generic.AttnTile, s *generic.AttnScratch) {
	var kernel *Attention
	switch {
	case a.HeadDim%16 != 0:
		generic.Attend(a, s)
		return
	case a.KV == quant.F32:
		kernel = &o.F32
	case a.KV == quant.F16:
		kernel = &o.F16
	case a.KV == quant.Q8_0 && a.HeadDim%a.KV.BlockLen() == 0:
		kernel = &o.Q8
	default:
		panic("simd: keys of type " + a.KV.String())
	}
	for i := 0; i < len(a.Visible); {
		end := i + 1
		for end < len(a.Visible) && a.Visible[end] == a.Visible[i] {
			end++
		}
		for i < end {
			// Parts of about one size: the less queries, the more of the
			// time goes into loading and converting.
			parts := (end - i + o.Queries - 1) / o.Queries
			n := (end - i + parts - 1) / parts
			o.queries(kernel, a, s, i, n, a.Visible[i])
			i += n
		}
	}
}

// queries computes n queries from number i on, which see m positions.
func (o *Ops) queries(kernel *Attention, a *generic.AttnTile, s *generic.AttnScratch, i, n, m int) {
	d := a.HeadDim
	q, acc := a.Q[i*d:(i+n)*d], a.Acc[i*d:(i+n)*d]
	top, sum := a.Max[i:i+n], a.Sum[i:i+n]
	if m == 0 {
		clear(acc)
		clear(sum)
		for j := range top {
			top[j] = float32(math.Inf(-1))
		}
		return
	}
	blocks := (m + generic.KeyBlock - 1) / generic.KeyBlock
	size := a.KV.RowBytes(d)
	k, v, scores := a.K[:blocks*generic.KeyBlock*size], a.V[:m*size], s.Scores[:n*generic.AttnChunk]
	if m > generic.AttnChunk {
		panic("simd: more positions than a chunk has")
	}
	kernel.Scores(&scores[0], &q[0], n, &k[0], d, blocks)
	o.Softmax(&scores[0], n, m, &top[0], &sum[0])
	kernel.Values(&acc[0], &scores[0], n, &v[0], d, m)
}

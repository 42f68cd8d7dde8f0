package cpu

import (
	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
)

// Queries, keys and values are multiplied in one phase, whose items may end
// anywhere in a head. Who writes the last values of a head gets it ready for
// attention, while it is in the cache: a phase for that would have all workers
// wait for one another once more in each block.

// headCounts is the number of heads in the tiles of a batch.
func headCounts(d plan.Dims, maxRows int) int {
	return (maxRows + smallestTile - 1) / smallestTile * (d.Heads + 2*d.KVHeads)
}

// computed counts columns [from, to) of n rows of p.qkv, a tile's, as written, and
// gets the heads ready that are complete by that.
func (p *pass) computed(t *scratch, layer, row, n, from, to int) {
	p.lap(t, plan.OpQKV)
	d := p.HeadDim
	counts := p.heads[row/smallestTile*(p.Heads+2*p.KVHeads):]
	for from < to {
		head := from / d
		end := min(to, (head+1)*d)
		// What earlier blocks counted stays in the count.
		if int(counts[head].Add(int32(end-from))) == (layer+1)*d {
			for i := row; i < row+n; i++ {
				p.ready(t, layer, head, i)
			}
		}
		from = end
	}
	p.lap(t, plan.OpRope)
}

// ready applies the norm of heads and the rotary embedding to a head of a row,
// if it is one of queries or keys, puts the scale of the softmax into queries,
// and stores keys and values.
func (p *pass) ready(t *scratch, layer, head, row int) {
	b, d := &p.Blocks[layer], p.HeadDim
	x := p.qkv[row*(p.QDim()+2*p.KVDim())+head*d:][:d]
	at, kvHead := p.rowsAt[row], head-p.Heads
	switch {
	case kvHead < 0:
		p.rotate(x, b.QNorm, row)
		p.tier.Scale(x, x, p.scale)
	case kvHead < p.KVHeads:
		p.rotate(x, b.KNorm, row)
		key := t.Key[:at.kv.row]
		at.kv.encode(p.tier, key, x)
		generic.PutKey(at.kv.typ, at.kv.head(layer, 0, kvHead), at.pos, key)
	default:
		value := at.kv.head(layer, 1, kvHead-p.KVHeads)[at.pos*at.kv.row:][:at.kv.row]
		at.kv.encode(p.tier, value, x)
	}
}

// rotate norms a head of a row, if there is a weight for that, and rotates it.
func (p *pass) rotate(x, weight []float32, row int) {
	if weight != nil {
		p.tier.RMSNorm(x, x, weight, p.Eps)
	}
	half := p.HeadDim / 2
	p.tier.Rope(x, p.cos[row*half:(row+1)*half], p.sin[row*half:(row+1)*half])
}

// encode writes a head as it is stored.
func (kv *KV) encode(tier *tier.Tier, dst []byte, x []float32) {
	if kv.typ == quant.F16 {
		tier.Halves(dst, x)
	} else {
		codec.Quantize(kv.typ, dst, x)
	}
}

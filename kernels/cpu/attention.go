package cpu

import (
	"math"
	"sort"

	"qgo/kernels"
	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/tensor"
)

// attnRows is the number of rows whose queries share a pass over keys and
// values in prefill, and manyAttnRows the largest where many rows attend in a way of
// their own, for which keys and values are converted before.
const attnRows, manyAttnRows = 8, 32

// attentionOfMany is the attention of many rows, or nil if few have the same. What it asks for is
// a KV cache of the usual type.
func attentionOfMany(t *tier.Tier, headDim int) tier.Attention {
	if t == nil || t.Many == nil || t.Many.Attention == nil || !t.Many.Attention.Fits(quant.F16, headDim) {
		return nil
	}
	return t.Many.Attention
}

// mostAttnRows is the largest number of rows of a tile.
func mostAttnRows(t *tier.Tier, headDim int) int {
	if attentionOfMany(t, headDim) != nil {
		return manyAttnRows
	}
	return attnRows
}

// attnRows is the number of rows of a tile of this batch of rows: there should be three items
// for each worker, for all wait for the last one. With two, 512 rows after 8192 took 16 threads 1.13
// times as long.
func (p *pass) attnRows(rows int) int {
	n := attnRows
	if p.many {
		n = mostAttnRows(p.tier, p.HeadDim)
	}
	for n > attnRows && (rows+n-1)/n*p.KVHeads < 3*len(p.Stage.workers) {
		n /= 2
	}
	return n
}

// A tile is a block of rows of one sequence; times a KV head it is an item of
// work.
type tile struct {
	kv     *KV
	row    int // in the batch
	pos, n int // position of the first row; rows
}

func (t *tile) chunks() int { return (t.pos+t.n-1)/generic.AttnChunk + 1 }

// schedule cuts the attention of a batch. When there are enough items for all
// workers, each is one worker's from the first chunk to the last. A batch of few
// items (decode) is split over depth too: (item, chunk) pairs are computed by
// any worker into partial results, which are merged in a phase of their own.
// Both ways merge the same parts in the same order.
type schedule struct {
	scale float32
	tiles []tile
	split bool
	first []int // tiles+1: number of the first chunk of each tile
}

// results are partial results of queries: see [generic.AttnTile].
type results struct{ acc, max, sum []float32 }

func newResults(queries, headDim int) results {
	return results{
		acc: tensor.Make[float32](queries * headDim),
		max: tensor.Make[float32](queries),
		sum: tensor.Make[float32](queries),
	}
}

// splitTiles is the largest number of one-row tiles that are split.
func splitTiles(workers int) int { return workers }

func partQueries(d plan.Dims, o Options) int {
	chunks := (o.MaxCtx + generic.AttnChunk - 1) / generic.AttnChunk
	return splitTiles(o.Workers) * chunks * d.Heads
}

func attentionBytes(d plan.Dims, o Options) int64 {
	return int64(partQueries(d, o)) * int64(d.HeadDim*4+8)
}

// make cuts the batch into tiles of at most so many rows.
func (a *schedule) make(spans []plan.Span, s *Stage, tileRows int) {
	a.scale = float32(1 / math.Sqrt(float64(s.HeadDim)))
	a.tiles, a.first = a.tiles[:0], a.first[:0]
	row, chunks, rows := 0, 0, 0
	for _, span := range spans {
		for i := 0; i < span.N; i += tileRows {
			t := tile{span.KV.(*KV), row + i, span.Pos + i, min(tileRows, span.N-i)}
			a.tiles = append(a.tiles, t)
			a.first = append(a.first, chunks)
			chunks += t.chunks()
			rows += t.n
		}
		row += span.N
	}
	a.first = append(a.first, chunks)
	a.split = rows == len(a.tiles) && chunks > rows && len(a.tiles) <= splitTiles(len(s.workers)) &&
		chunks*s.Heads <= len(s.parts.max) && chunks*s.KVHeads <= kernels.MaxItems
}

// attend computes attention for all rows of the batch.
func (p *pass) attend(w *kernels.Worker, layer int) {
	t := p.workers[w.ID]
	if !p.split {
		parts := p.headParts(w.Of)
		n := len(p.tiles) * p.KVHeads * parts
		for it := p.items(w, plan.OpAttention, n, 1); it.Next(); {
			p.look(w, plan.OpAttention, it.Lo, n)
			tile, heads := &p.tiles[it.Lo/(p.KVHeads*parts)], p.headsOf(it.Lo%(p.KVHeads*parts), parts)
			sum := p.attendTile(t, layer, tile, heads)
			if it.Commit() {
				p.finish(t, layer, tile, heads, sum)
			}
		}
		return
	}
	group, d := p.Group(), p.HeadDim
	chunks := p.first[len(p.tiles)]
	for it := p.items(w, plan.OpAttention, chunks*p.KVHeads, 2*attnRows); it.Next(); {
		for i := it.Lo; i < it.Hi; i++ {
			head, chunk := i/chunks, i%chunks
			n := sort.Search(len(p.tiles), func(n int) bool { return p.first[n+1] > chunk })
			p.attendChunk(t, layer, &p.tiles[n], p.headsOf(head, 1), chunk-p.first[n], t.Partial.at((i-it.Lo)*group, group, d))
		}
		if it.Commit() {
			n := (it.Hi - it.Lo) * group
			p.parts.at(it.Lo*group, n, d).copy(t.Partial.at(0, n, d))
		}
	}
	for it := p.items(w, plan.OpAttention, len(p.tiles)*p.KVHeads, 1); it.Next(); {
		tile, head := it.Lo/p.KVHeads, it.Lo%p.KVHeads
		base := head*chunks + p.first[tile]
		sum := t.Partial.at(0, group, d)
		sum.copy(p.parts.at(base*group, group, d))
		for c := 1; c < p.tiles[tile].chunks(); c++ {
			sum.merge(p.tier, p.parts.at((base+c)*group, group, d), d)
		}
		if it.Commit() {
			p.finish(t, layer, &p.tiles[tile], p.headsOf(head, 1), sum)
		}
	}
}

// heads are query heads [from, to), which share a KV head.
type heads struct{ kv, from, to int }

func (h heads) n() int { return h.to - h.from }

// headParts is into how many parts the heads that share a KV head are cut where
// that gives more workers something to do: a phase takes as long as its longest
// item.
func (p *pass) headParts(workers int) int {
	if p.HeadDim%tensor.BlockLen != 0 {
		return 1
	}
	return min(max(workers/(len(p.tiles)*p.KVHeads), 1), p.Group())
}

// headsOf returns the heads of part i when those of each KV head are cut into so
// many parts.
func (p *pass) headsOf(i, parts int) heads {
	kv, i, group := i/parts, i%parts, p.Group()
	return heads{kv, kv*group + i*group/parts, kv*group + (i+1)*group/parts}
}

// attendTile computes one item from the first chunk to the last.
func (p *pass) attendTile(t *scratch, layer int, tile *tile, heads heads) results {
	n := tile.n * heads.n()
	sum, part := t.Partial.at(0, n, p.HeadDim), t.Partial.at(len(t.Partial.max)/2, n, p.HeadDim)
	p.attendChunk(t, layer, tile, heads, 0, sum)
	for c := 1; c < tile.chunks(); c++ {
		p.attendChunk(t, layer, tile, heads, c, part)
		sum.merge(p.tier, part, p.HeadDim)
	}
	return sum
}

// attendChunk computes the results of a tile's queries on one chunk.
func (p *pass) attendChunk(scratch *scratch, layer int, t *tile, heads heads, chunk int, out results) {
	d := p.HeadDim
	stride := p.QDim() + 2*p.KVDim()
	n := 0
	for i := range t.n {
		seen := min(t.pos+i+1-chunk*generic.AttnChunk, generic.AttnChunk)
		copy(scratch.Q[n*d:], p.qkv[(t.row+i)*stride:][heads.from*d:heads.to*d])
		for range heads.n() {
			scratch.Visible[n] = max(seen, 0)
			n++
		}
	}
	from := chunk * generic.AttnChunk * t.kv.row
	scratch.Tile = generic.AttnTile{
		KV: t.kv.typ, HeadDim: d, Q: scratch.Q[:n*d], Visible: scratch.Visible[:n],
		K: t.kv.head(layer, 0, heads.kv)[from:], V: t.kv.head(layer, 1, heads.kv)[from:],
		Acc: out.acc, Max: out.max, Sum: out.sum,
	}
	if p.many && scratch.Many != nil && p.tier.Many.Attention.Fits(t.kv.typ, d) {
		scratch.Many(&scratch.Tile)
		return
	}
	p.tier.Attend(&scratch.Tile, scratch.Attn)
}

// finish divides by the sums and writes the output rows of a tile's heads, in the
// form that the next matrix wants.
func (p *pass) finish(s *scratch, layer int, t *tile, heads heads, r results) {
	d := p.HeadDim
	from, to := heads.from*d, heads.to*d
	quantised := p.wholeBlocks() && p.reduced(p.Blocks[layer].O.W)
	for i := range t.n {
		out := p.acts.attn.Row(t.row + i)[from:to]
		for j := range heads.n() {
			n := i*heads.n() + j
			p.tier.Scale(out[j*d:(j+1)*d], r.acc[n*d:(n+1)*d], 1/r.sum[n])
		}
		if quantised {
			p.reduceFew(s, out, p.reducedRow(&p.acts.attn, t.row+i, from/tensor.BlockLen))
		}
	}
}

// wholeBlocks reports whether the heads that share keys have whole blocks of
// activations.
func (p *pass) wholeBlocks() bool { return p.Group()*p.HeadDim%tensor.BlockLen == 0 }

// at returns the results of n queries from number i on.
func (r *results) at(i, n, headDim int) results {
	return results{r.acc[i*headDim : (i+n)*headDim], r.max[i : i+n], r.sum[i : i+n]}
}

func (r results) copy(from results) {
	copy(r.acc, from.acc)
	copy(r.max, from.max)
	copy(r.sum, from.sum)
}

func (r results) merge(tier *tier.Tier, part results, headDim int) {
	for i := range r.max {
		acc, acc2 := r.acc[i*headDim:(i+1)*headDim], part.acc[i*headDim:(i+1)*headDim]
		r.max[i], r.sum[i] = tier.Merge(acc, r.max[i], r.sum[i], acc2, part.max[i], part.sum[i])
	}
}

package cpu

import (
	"math"

	"qgo/kernels"
	"qgo/kernels/generic"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// attnRows is the number of rows whose queries share a pass over keys and
// values in prefill.
const attnRows = 8

// A tile is a block of rows of one sequence; times a KV head it is an item of
// work.
type tile struct {
	kv     *KV
	row    int // in the batch
	pos, n int // position of the first row; rows
}

func (t *tile) chunks() int { return (t.pos+t.n-1)/generic.AttnChunk + 1 }

// attention is the schedule and scratch of a stage's attention. When a batch
// has enough items for all workers, each item is one worker's from the first
// chunk to the last. A batch of few items (decode) is split over depth too:
// (item, chunk) pairs are computed by any worker into partial results, which
// are merged after a barrier. Both ways merge the same parts in the same
// order.
type attention struct {
	scale float32
	tiles []tile
	split bool
	first []int // tiles+1: number of the first chunk of each tile
	rows  []results
	parts results // of all (head, chunk) pairs, when split
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
	perWorker := 2 * attnRows * d.Group() * (d.HeadDim*4 + 16)
	return int64(partQueries(d, o)*(d.HeadDim*4+8) + o.Workers*perWorker + o.MaxRows*48)
}

func (a *attention) init(d plan.Dims, o Options) {
	a.scale = float32(1 / math.Sqrt(float64(d.HeadDim)))
	a.tiles = make([]tile, 0, o.MaxRows)
	a.first = make([]int, 0, o.MaxRows+1)
	a.parts = newResults(partQueries(d, o), d.HeadDim)
	for range o.Workers {
		// Two sets: the merged results and those of the current chunk.
		a.rows = append(a.rows, newResults(2*attnRows*d.Group(), d.HeadDim))
	}
}

// schedule cuts the batch into tiles.
func (a *attention) schedule(spans []plan.Span, d plan.Dims) {
	a.tiles, a.first = a.tiles[:0], a.first[:0]
	row, chunks, rows := 0, 0, 0
	for _, span := range spans {
		for i := 0; i < span.N; i += attnRows {
			t := tile{span.KV.(*KV), row + i, span.Pos + i, min(attnRows, span.N-i)}
			a.tiles = append(a.tiles, t)
			a.first = append(a.first, chunks)
			chunks += t.chunks()
			rows += t.n
		}
		row += span.N
	}
	a.first = append(a.first, chunks)
	a.split = rows == len(a.tiles) && len(a.tiles) <= splitTiles(len(a.rows)) && chunks*d.Heads <= len(a.parts.max)
}

// attend computes attention for all rows of the batch into s.attn.
func (s *Stage) attend(w *kernels.Worker, layer int) {
	a := &s.attention
	if !a.split {
		for item := w.ID; item < len(a.tiles)*s.KVHeads; item += w.Of {
			s.attendTile(w, layer, &a.tiles[item/s.KVHeads], item%s.KVHeads)
		}
		return
	}
	group, d := s.Group(), s.HeadDim
	chunks := a.first[len(a.tiles)]
	for i := w.ID; i < chunks*s.KVHeads; i += w.Of {
		head, chunk := i/chunks, i%chunks
		t := 0
		for a.first[t+1] <= chunk {
			t++
		}
		s.attendChunk(w, layer, &a.tiles[t], head, chunk-a.first[t], a.parts.at(i*group, group, d))
	}
	w.Barrier()
	for i := w.ID; i < len(a.tiles)*s.KVHeads; i += w.Of {
		t, head := i/s.KVHeads, i%s.KVHeads
		base := head*chunks + a.first[t]
		sum := a.parts.at(base*group, group, d)
		for c := 1; c < a.tiles[t].chunks(); c++ {
			sum.merge(s.tier, a.parts.at((base+c)*group, group, d), d)
		}
		s.finish(&a.tiles[t], head, sum)
	}
}

// attendTile computes one item from the first chunk to the last.
func (s *Stage) attendTile(w *kernels.Worker, layer int, t *tile, head int) {
	n := t.n * s.Group()
	buf := &s.attention.rows[w.ID]
	sum, part := buf.at(0, n, s.HeadDim), buf.at(attnRows*s.Group(), n, s.HeadDim)
	s.attendChunk(w, layer, t, head, 0, sum)
	for c := 1; c < t.chunks(); c++ {
		s.attendChunk(w, layer, t, head, c, part)
		sum.merge(s.tier, part, s.HeadDim)
	}
	s.finish(t, head, sum)
}

// attendChunk computes the results of a tile's queries on one chunk.
func (s *Stage) attendChunk(w *kernels.Worker, layer int, t *tile, head, chunk int, out results) {
	group, d := s.Group(), s.HeadDim
	stride := s.QDim() + 2*s.KVDim()
	scratch := s.workers[w.ID]
	n := 0
	for i := range t.n {
		seen := min(t.pos+i+1-chunk*generic.AttnChunk, generic.AttnChunk)
		q := s.qkv[(t.row+i)*stride+head*group*d:]
		copy(scratch.Q[n*d:], q[:group*d])
		for range group {
			scratch.Visible[n] = max(seen, 0)
			n++
		}
	}
	from := chunk * generic.AttnChunk * t.kv.row
	scratch.Tile = generic.AttnTile{
		KV: t.kv.typ, HeadDim: d, Q: scratch.Q[:n*d], Visible: scratch.Visible[:n],
		K: t.kv.head(layer, 0, head)[from:], V: t.kv.head(layer, 1, head)[from:],
		Acc: out.acc, Max: out.max, Sum: out.sum,
	}
	s.tier.Attend(&scratch.Tile, scratch.Attn)
}

// finish divides by the sums and writes the output rows of a tile's head.
func (s *Stage) finish(t *tile, head int, r results) {
	group, d := s.Group(), s.HeadDim
	for i := range t.n * group {
		out := s.attn.Row(t.row + i/group)[(head*group+i%group)*d:]
		s.tier.Scale(out[:d], r.acc[i*d:(i+1)*d], 1/r.sum[i])
	}
}

// at returns the results of n queries from number i on.
func (r *results) at(i, n, headDim int) results {
	return results{r.acc[i*headDim : (i+n)*headDim], r.max[i : i+n], r.sum[i : i+n]}
}

func (r results) merge(tier *kernels.Tier, part results, headDim int) {
	for i := range r.max {
		acc, acc2 := r.acc[i*headDim:(i+1)*headDim], part.acc[i*headDim:(i+1)*headDim]
		r.max[i], r.sum[i] = tier.Merge(acc, r.max[i], r.sum[i], acc2, part.max[i], part.sum[i])
	}
}

// ropeTable computes the cosines and sines of this worker's rows.
func (s *Stage) ropeTable(w *kernels.Worker) {
	lo, hi := w.Range(s.rows, 1)
	half := s.HeadDim / 2
	row := 0
	for _, span := range s.batch.Spans {
		for i := max(lo, row); i < min(hi, row+span.N); i++ {
			for j, f := range s.InvFreq {
				sin, cos := math.Sincos(float64(span.Pos+i-row) * f)
				s.cos[i*half+j] = float32(cos * s.Rope.Scale)
				s.sin[i*half+j] = float32(sin * s.Rope.Scale)
			}
		}
		row += span.N
	}
}

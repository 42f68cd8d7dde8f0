//go:build !noasm

package amx

import (
	"math"
	"unsafe"

	"qgo/kernels/avx512"
	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/quant"
	"qgo/tensor"
)

// attention computes attention of many rows with tiles: see generic.AttendSplit. Blocks of 16 keys
// are panels of weights, and the queries the activations; then columns of values are, and
// the weights of the softmax.
type attention struct {
	multiply func(*panel.TileArgs)
	fine     bool // values and the weights of the softmax are split as well
}

// valueKinds are the products of values.
func (a attention) valueKinds() int {
	if a.fine {
		return kinds
	}
	return 1
}

// queriesAtOnce is the number of queries whose scores are computed together.
const queriesAtOnce = 32

// kinds are the products that are added up: of large parts, and of those with what they leave.
const kinds = 3

const chunkTiles = generic.AttnChunk / tensor.BlockLen

// Fits reports whether it is for keys and values of type kv.
func (a attention) Fits(kv quant.Type, headDim int) bool {
	return kv == quant.F16 && headDim%tensor.BlockLen == 0
}

// worker is one worker's room for a chunk.
type worker struct {
	attention
	d              int
	keys, values   []uint32       // panels of pairs of columns, for each kind of product
	queries, probs []tensor.Block // rows, likewise
	scores         []float32      // [queriesAtOnce][AttnChunk]
	last           []byte         // values, followed by zeros
	tiles          panel.TileArgs
}

// New returns what one worker computes with.
func (a attention) New(headDim int) func(*generic.AttnTile) {
	const pairs = generic.AttnChunk / 2
	w := &worker{
		attention: a, d: headDim,
		keys:    tensor.Make[uint32](kinds * pairs * headDim),
		values:  tensor.Make[uint32](a.valueKinds() * pairs * headDim),
		queries: blocks(queriesAtOnce * kinds * headDim / tensor.BlockLen),
		probs:   blocks(queriesAtOnce * a.valueKinds() * chunkTiles),
		scores:  tensor.Make[float32](queriesAtOnce * generic.AttnChunk),
		last:    tensor.Make[byte](generic.AttnChunk * 2 * headDim),
	}
	w.tiles.Whole = panel.NewTileConfig(panel.Rows)
	return w.attend
}

// blocks returns n blocks, each of them a cache line.
func blocks(n int) []tensor.Block {
	raw := tensor.Make[byte](n * tensor.BlockBytes)
	return unsafe.Slice((*tensor.Block)(unsafe.Pointer(unsafe.SliceData(raw))), n)
}

// Bytes is the memory that New(headDim) takes.
func (a attention) Bytes(headDim int) int {
	const positions = generic.AttnChunk
	return int(unsafe.Sizeof(worker{})) + (kinds+a.valueKinds()+1)*2*positions*headDim +
		queriesAtOnce*(kinds*2*headDim+a.valueKinds()*2*positions+4*positions)
}

// attend computes a tile.
func (w *worker) attend(t *generic.AttnTile) {
	rows := 0
	for _, n := range t.Visible {
		rows = max(rows, n)
	}
	w.split(t, rows)
	for i := 0; i < len(t.Visible); i += queriesAtOnce {
		w.group(t, i, min(queriesAtOnce, len(t.Visible)-i), rows)
	}
}

// tilesOf is the number of tiles of that many positions.
func tilesOf(rows int) int { return (rows + tensor.BlockLen - 1) / tensor.BlockLen }

// split splits keys and values.
func (w *worker) split(t *generic.AttnTile, rows int) {
	if rows == 0 {
		return
	}
	for b := range (rows + generic.KeyBlock - 1) / generic.KeyBlock {
		keys := t.K[b*w.d*2*panel.Rows:][:w.d*2*panel.Rows]
		splitHalves(&keys[0], 2*panel.Rows, (*byte)(w.keyPanel(b)), w.d/2)
	}
	values := t.V[:rows*2*w.d]
	padded := tilesOf(rows) * tensor.BlockLen
	if padded > rows {
		clear(w.last[copy(w.last, values) : padded*2*w.d])
		values = w.last
	}
	convert := roundHalves
	if w.fine {
		convert = splitHalves
	}
	for p := range w.d / panel.Rows {
		convert(&values[p*2*panel.Rows], 2*w.d, (*byte)(w.valuePanel(p, padded)), padded/2)
	}
}

// keyPanel is where 16 keys are.
func (w *worker) keyPanel(b int) unsafe.Pointer {
	return unsafe.Pointer(&w.keys[b*kinds*w.d/2*panel.Rows])
}

// valuePanel is where 16 columns of so many values are.
func (w *worker) valuePanel(p, rows int) unsafe.Pointer {
	return unsafe.Pointer(&w.values[p*w.valueKinds()*rows/2*panel.Rows])
}

// group computes n queries from number i on.
func (w *worker) group(t *generic.AttnTile, i, n, rows int) {
	visible, q := t.Visible[i:i+n], t.Q[i*w.d:(i+n)*w.d]
	acc, top, sum := t.Acc[i*w.d:(i+n)*w.d], t.Max[i:i+n], t.Sum[i:i+n]
	most := 0
	for _, m := range visible {
		most = max(most, m)
	}
	if most == 0 {
		clear(acc)
		w.softmax(0, 0, w.scores, top, sum)
		return
	}
	a := &w.tiles
	groups := w.d / tensor.BlockLen
	for j := range n {
		splitRow(&q[j*w.d], &w.queries[j*kinds*groups], groups)
	}
	a.Rows, a.Last = n, panel.NewTileConfig(n%panel.Rows)
	a.X, a.XStride, a.Tiles = unsafe.Pointer(&w.queries[0]), kinds*groups*tensor.BlockBytes, kinds*groups
	a.DstStride = 4 * generic.AttnChunk
	for b := range tilesOf(most) {
		a.Dst = &w.scores[b*tensor.BlockLen]
		for p := range a.Weights {
			a.Weights[p] = w.keyPanel(b*panel.ExpandedPanels + p)
		}
		w.multiply(a)
	}
	padded := tilesOf(rows) * tensor.BlockLen
	for j := 0; j < n; {
		end := j + 1
		for end < n && visible[end] == visible[j] {
			end++
		}
		w.softmax(visible[j], padded, w.scores[j*generic.AttnChunk:end*generic.AttnChunk], top[j:end], sum[j:end])
		j = end
	}
	tiles := padded / tensor.BlockLen
	columns := w.valueKinds() * tiles
	for j := range n {
		scores, probs := w.scores[j*generic.AttnChunk:][:padded], w.probs[j*columns:][:columns]
		if w.fine {
			splitRow(&scores[0], &probs[0], tiles)
		} else {
			avx512.Bfloat(scores, probs)
		}
	}
	a.X, a.XStride, a.Tiles = unsafe.Pointer(&w.probs[0]), columns*tensor.BlockBytes, columns
	a.DstStride = 4 * w.d
	for p := 0; p < w.d/panel.Rows; p += panel.ExpandedPanels {
		a.Dst = &acc[p*panel.Rows]
		for k := range a.Weights {
			a.Weights[k] = w.valuePanel(p+k, padded)
		}
		w.multiply(a)
	}
}

// softmax computes that of queries that see m positions, and makes the weights of those behind
// them, up to padded, zero.
func (w *worker) softmax(m, padded int, scores, top, sum []float32) {
	if m > 0 {
		avx512.Vectors.Softmax(&scores[0], len(top), m, &top[0], &sum[0])
	}
	for j := range top {
		clear(scores[j*generic.AttnChunk:][m:padded])
		if m == 0 {
			top[j], sum[j] = float32(math.Inf(-1)), 0
		}
	}
}

// splitRow splits n times 32 values: their large parts, what those leave, and the large parts
// again become n blocks each.
//
//go:noescape
func splitRow(x *float32, dst *tensor.Block, n int)

// splitHalves splits float16 numbers, 16 in each of 2*pairs columns that are stride bytes apart:
// their large parts, the same again, and what they leave, with the numbers of two columns side by
// side for each of the 16.
//
//go:noescape
func splitHalves(x *byte, stride int, dst *byte, pairs int)

// roundHalves is splitHalves without the same again and what the large parts leave.
//
//go:noescape
func roundHalves(x *byte, stride int, dst *byte, pairs int)

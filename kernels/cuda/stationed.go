package cuda

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// Which rows of weights the blocks of a token's launch have, and where in their shared
// memory: see src/stationed.h.

type (
	weightsArgs struct {
		w                          matrixArgs
		bias                       driver.Ptr
		bytes                      [4]int32
		format, pairs, before, all int32
		step, apart, at, room      int32
		length, sums               int32
	}
	tokenLayer struct {
		attnNorm, ffnNorm driver.Ptr
		qkv               [ofQKV]weightsArgs
		o, gateUp, down   weightsArgs
		pieces            int32
		_                 [3]int32
	}
)

// blockMemory is how a block's shared memory is laid out: x first, then sums of products
// from byte sums on, the rows of the hidden state that it keeps, and weights.
type blockMemory struct {
	sums, own, weights, size int
	rest                     int32 // 0 if all weights fit
	places                   map[sumsKey]int
}

// sumsKey says whose sums stand in a place: those of a matrix, by its number in a layer, in all
// layers in which its rows have as many parts. So nothing else comes where there are zeros behind
// the last part.
type sumsKey struct{ matrix, parts int }

// formats are the types in the order in which src/formats.h has them.
var formats = func() (all []quant.Type) {
	for _, t := range quant.Types() {
		if t.HasKernels() {
			all = append(all, t)
		}
	}
	return all
}()

// What the kernels multiply at a time, a step, and a group of x in a block's memory.
const (
	tilePairs  = 8
	tileGroups = 4
	slotBytes  = 144
	line       = 128 // bytes: where planes begin that are copied to a block's memory
	mostParts  = 16  // of a row
	ofQKV      = 3   // the matrices of a layer that are Q, K and V, at the most
)

func stepsOf(cols int) int { return ceil(cols/groupLen, tileGroups) }

// blockMemoryOf is that of a plan, as yet without weights.
func (d *Device) blockMemoryOf(p plan.Plan) (m blockMemory) {
	m.sums = max(xBytes(p.Dims), d.headsBytes(p))
	sizes := map[sumsKey]int{}
	for i := range p.Blocks {
		d.eachMatrix(&p.Blocks[i], func(matrix, _, cols, pairs int) {
			key := sumsKey{matrix, partsOf(pairs, cols)}
			sizes[key] = max(sizes[key], sumsBytes(pairs, key.parts))
		})
	}
	m.own, m.places = m.sums, map[sumsKey]int{}
	for _, key := range slices.SortedFunc(maps.Keys(sizes), func(a, b sumsKey) int {
		return cmp.Or(cmp.Compare(a.matrix, b.matrix), cmp.Compare(a.parts, b.parts))
	}) {
		m.places[key] = m.own
		m.own += sizes[key]
	}
	const pairBytes = 2 * 4
	m.weights = roundUpTo(m.own+pairBytes*ceil(p.Width/2, d.tokenSMs()), line)
	m.size = m.weights
	return m
}

// xBytes is what x of the widest product takes.
func xBytes(d plan.Dims) int { return max(d.Width, d.QDim(), d.FFN) / groupLen * slotBytes }

// eachMatrix calls f for the matrices of a block of a plan, of which those of one type that are
// multiplied with the same activations are one: with its number in a layer, its rows and columns,
// and the pairs of rows that a multiprocessor has of it at the most.
func (d *Device) eachMatrix(b *plan.Block, f func(matrix, rows, cols, pairs int)) {
	for product, all := range togetherIn(b) {
		matrix, ofAll := matrixOf(product), ceil(rowsOf(all)/2, d.tokenSMs())
		for len(all) > 0 {
			same := sameType(all)
			rows := rowsOf(all[:same])
			f(matrix, rows, all[0].W.Cols, min(rows/2, ofAll))
			matrix, all = matrix+1, all[same:]
		}
	}
}

// matrixOf is the number in a layer of a product's first matrix.
func matrixOf(product int) int {
	if product == 0 {
		return 0
	}
	return product + ofQKV - 1
}

func (s *Stage) tokenLayer(i int) tokenLayer {
	l := &s.layers[i]
	t := tokenLayer{
		attnNorm: l.attnNorm, ffnNorm: l.ffnNorm, pieces: int32(len(l.qkv)),
		o: weightsOf(&l.o), gateUp: weightsOf(&l.gateUp[0]), down: weightsOf(&l.down),
	}
	t.gateUp.pairs, t.gateUp.all = int32(s.FFN), int32(s.FFN)
	t.gateUp.step, t.gateUp.apart = 1, int32(s.FFN)
	var all int32
	for j := range l.qkv {
		t.qkv[j] = weightsOf(&l.qkv[j])
		t.qkv[j].before = all
		all += t.qkv[j].pairs
	}
	for j := range l.qkv {
		t.qkv[j].all = all
	}
	for product, all := range t.products() {
		for j, w := range all {
			pairs, cols := s.dev.share(w), int(w.w.cols)
			w.length = int32(lengthOf(pairs, cols))
			w.sums = int32(s.token.memory.places[sumsKey{matrixOf(product) + j, partsOf(pairs, cols)}])
		}
	}
	return t
}

// weightsOf describes a matrix whose pairs are of rows that follow each other.
func weightsOf(l *linear) weightsArgs {
	w := weightsArgs{
		w: l.w, bias: l.bias, format: int32(slices.Index(formats, l.typ)),
		pairs: l.w.rows / 2, all: l.w.rows / 2, step: 2, apart: 1,
	}
	for i, n := range formatOf(l.typ).planeBytes(int64(l.w.cols / groupLen)) {
		w.bytes[i] = int32(n)
	}
	return w
}

// space is what so many pairs take of a block's memory: of each plane, the bytes from the
// line on that the first is in.
func (w *weightsArgs) space(pairs int) (n int) {
	for _, b := range w.bytes {
		if b > 0 {
			n += roundUpTo(pairs*int(w.step)*int(b)+line-1, line)
		}
	}
	if w.apart != 1 {
		n = 2*n + line // half a line is between them
	}
	return n
}

// share is how many pairs a block has at the most.
func (d *Device) share(w *weightsArgs) int { return min(int(w.pairs), ceil(int(w.all), d.tokenSMs())) }

// lengthOf is how many steps a warp takes at a time of the rows of so many pairs, so that all
// warps are done soonest: what it does before and after takes about as long as a step. A row
// has at most mostParts of them.
func lengthOf(pairs, cols int) (best int) {
	steps := stepsOf(cols)
	least := math.MaxInt
	for n := ceil(steps, mostParts); n <= steps; n++ {
		if time := ceil(ceil(pairs, tilePairs)*ceil(steps, n), tokenWarps) * (n + 1); time < least {
			best, least = n, time
		}
	}
	return best
}

// partsOf is how many parts the rows of so many pairs have.
func partsOf(pairs, cols int) int { return ceil(stepsOf(cols), lengthOf(pairs, cols)) }

// sumsBytes is what so many parts of all rows of so many pairs take of a block's memory.
func sumsBytes(pairs, parts int) int {
	const fourBytes = 4 * 4
	return ceil(pairs, tilePairs) * tilePairs * 2 * ceil(parts, 4) * fourBytes
}

// products are the matrices of each product of a layer.
func (t *tokenLayer) products() [4][]*weightsArgs {
	var qkv []*weightsArgs
	for i := range t.pieces {
		qkv = append(qkv, &t.qkv[i])
	}
	return [4][]*weightsArgs{qkv, {&t.o}, {&t.gateUp}, {&t.down}}
}

// codes returns the bytes of a layer's weights, without their scales.
func (t *tokenLayer) codes() (n int) {
	for _, all := range t.products() {
		for _, w := range all {
			n += int(w.bytes[0]) * int(w.w.rows)
		}
	}
	return n
}

// station gives each product a place in a block's memory, the same one in all layers: the
// weights of a layer come when those of the same product in the layer before have been
// used. If there is too little memory for all, each product has a part of its weights there.
func (d *Device) station(layers []tokenLayer, m *blockMemory) {
	if capability(d.info) < tensorCapability {
		m.rest = 1
		return
	}
	var wanted [4]int
	for i := range layers {
		for j, all := range layers[i].products() {
			n := 0
			for _, w := range all {
				n += w.space(d.share(w))
			}
			wanted[j] = max(wanted[j], n)
		}
	}
	total := wanted[0] + wanted[1] + wanted[2] + wanted[3]
	there := min(total, d.info.BlockMemory-tokenStatic-m.weights)
	if there < total {
		m.rest = 1
	}
	for j, n := range wanted {
		room := n * there / total / line * line
		for i := range layers {
			at, left := m.size, room
			for _, w := range layers[i].products()[j] {
				w.at = int32(at)
				w.room = int32(d.pairsIn(left, w))
				n := w.space(int(w.room))
				at, left = at+n, left-n
			}
		}
		m.size += room
	}
}

// pairsIn is how many of a block's pairs so many bytes hold.
func (d *Device) pairsIn(bytes int, w *weightsArgs) int {
	n := d.share(w)
	for n > 0 && w.space(n) > bytes {
		n--
	}
	return n
}

// Layers are copied by 16 bytes.
var _ [0]struct{} = [unsafe.Sizeof(tokenLayer{}) % 16]struct{}{}

package tensor

import "unsafe"

// GroupLen is the number of activations of which a [Block] has a scale and a sum: that
// of the finest sub-blocks of the K-quants. On tiers with VPDPBUSD and on those of arm64
// without SDOT that is what is quantised together. Groups of 32, as llama.cpp has them,
// save one operation in ten of prefill there, and diverge from exact arithmetic by half
// as much again. Tiers in which they save more, up to a fifth of the time, have them:
// see package tier.
const GroupLen = 16

// BlockLen is the number of activations in a [Block]: that of the smallest
// blocks of quantised weights.
const BlockLen = 32

// Block is the 8-bit form of 32 activations, two groups of 16 or one whose scale it has
// twice: value j is about D[j/16] * Q[j]. What kernels need beside the codes stands with
// them, so that a block is one cache line.
type Block struct {
	Q     [BlockLen]int8
	D     [2]float32 // scales
	Start [2]int32   // -128*ΣQ of each half: where sums of products begin whose codes have 128 added
	Sum   [2]float32 // D*ΣQ of each half, for weights with a minimum
	Both  [2]float32 // Sum[0]+Sum[1], twice
}

// Words is the form of 32 activations in 15 bits and a sign: value j is about
// D * Q[WordIndex(j)].
type Words struct {
	Q    [BlockLen]int16
	D    float32    // scale
	Both float32    // Sum[0]+Sum[1]
	Sum  [2]float32 // D*ΣQ of each half, for weights with a minimum
}

// MaxWord is the largest code of Words: the sum of 32 products with codes of weights, times
// their sub-scales, which are at most 32 · 128, fits in 32 bits.
const MaxWord = 1<<14 - 1

// WordIndex is where the code of value j of a block is. Of each four columns those of even
// number come first, so that two neighbours are multiplied with the even or the odd bytes of
// 32 bits of weights.
func WordIndex(j int) int { return j&^3 | j&1<<1 | j>>1&1 }

// WordsBytes is the size of Words.
const WordsBytes = int(unsafe.Sizeof(Words{}))

// Acts is a batch of N activation rows of Cols values in the forms that matrix
// kernels read: as they are, quantised to 8 bits or rounded to bfloat16, and
// quantised to 16 bits. Where they have the last form but not the one of 8 bits it is what is
// multiplied with integer weights.
type Acts struct {
	N, Cols int
	F       []float32 // [N][FStride], of which Cols are used
	Q       []Block   // [N][Stride], of which Cols/32 are used
	W       []Words   // [N][Stride], of which Cols/32 are used
	Many    bool      // they are in the tier's form for many rows: in Q, in bfloat16, or in W
	FStride int       // values from one row to the next
	Stride  int       // blocks, or Words, from one row to the next
}

// BlockBytes is the size of a [Block].
const BlockBytes = int(unsafe.Sizeof(Block{}))

// strides returns the distances of rows. They are an odd number of cache lines,
// so that the same column of many rows does not fall into the same set of a
// cache.
func strides(cols int) (values, blocks int) {
	const line = 16
	return ((cols+line-1)/line | 1) * line, cols/BlockLen | 1
}

// Forms tells in which forms activations are wanted.
type Forms struct{ Float, Quantised, Words bool }

// NewActs returns room for n rows of cols values as they are and in 8 bits. Rows whose
// length is no multiple of 32 have no quantised form.
func NewActs(n, cols int) *Acts { return Forms{Float: true, Quantised: true}.NewActs(n, cols) }

// NewActs returns room for n rows of cols values.
func (f Forms) NewActs(n, cols int) *Acts {
	a := &Acts{N: n, Cols: cols}
	a.FStride, a.Stride = strides(cols)
	if f.Float {
		a.F = Make[float32](n * a.FStride)
	}
	if f.Quantised && cols%BlockLen == 0 {
		raw := Make[byte](n * a.Stride * BlockBytes)
		a.Q = unsafe.Slice((*Block)(unsafe.Pointer(unsafe.SliceData(raw))), n*a.Stride)
	}
	if f.Words && cols%BlockLen == 0 {
		raw := Make[byte](n * a.Stride * WordsBytes)
		a.W = unsafe.Slice((*Words)(unsafe.Pointer(unsafe.SliceData(raw))), n*a.Stride)
	}
	return a
}

// Bytes is the memory that f.NewActs(n, cols) takes.
func (f Forms) Bytes(n, cols int) (bytes int64) {
	values, blocks := strides(cols)
	if f.Float {
		bytes += int64(n) * int64(values) * 4
	}
	if f.Quantised && cols%BlockLen == 0 {
		bytes += int64(n) * int64(blocks) * int64(BlockBytes)
	}
	if f.Words && cols%BlockLen == 0 {
		bytes += int64(n) * int64(blocks) * int64(WordsBytes)
	}
	return bytes
}

// Slice makes a the n rows of all from number first on.
func (a *Acts) Slice(all *Acts, first, n int) {
	*a = *all
	a.N = n
	if a.F != nil {
		a.F = a.F[first*a.FStride:]
	}
	if a.Q != nil {
		a.Q = a.Q[first*a.Stride:]
	}
	if a.W != nil {
		a.W = a.W[first*a.Stride:]
	}
}

// Row returns the values of row i as they are.
func (a *Acts) Row(i int) []float32 { return a.F[i*a.FStride:][:a.Cols] }

// QuantRow returns the quantised form of row i.
func (a *Acts) QuantRow(i int) []Block {
	i *= a.Stride
	return a.Q[i : i+a.Cols/BlockLen]
}

// WordsRow returns the form in 16 bits of row i.
func (a *Acts) WordsRow(i int) []Words {
	i *= a.Stride
	return a.W[i : i+a.Cols/BlockLen]
}

// Fine reports whether integer weights are multiplied with the form in 16 bits.
func (a *Acts) Fine() bool { return a.W != nil && a.Q == nil }

// SetSums sets what follows from the sums of the groups' codes and their scales.
func (b *Block) SetSums(sums [2]int32) {
	for h, sum := range sums {
		b.Start[h] = -128 * sum
		b.Sum[h] = float32(b.D[h] * float32(sum)) // not fused with what follows
	}
	both := b.Sum[0] + b.Sum[1]
	b.Both = [2]float32{both, both}
}

// SetSums sets what follows from the sums of the halves' codes and the scale.
func (w *Words) SetSums(sums [2]int32) {
	for h, sum := range sums {
		w.Sum[h] = float32(w.D * float32(sum)) // not fused with what follows
	}
	w.Both = w.Sum[0] + w.Sum[1]
}

// Bfloats are the 32 values of a block in bfloat16, which take as much room as
// the 8-bit form.
func (b *Block) Bfloats() *[BlockLen]uint16 { return (*[BlockLen]uint16)(unsafe.Pointer(b)) }

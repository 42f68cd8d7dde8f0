// Package plan describes, without knowing any model family or device, what a
// device is to compute: a run of transformer blocks with, at either end of
// the model, the embedding and the output head. A placement of a model is a
// list of such plans, each loaded on a device as a [Stage].
package plan

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"qgo/quant"
	"qgo/tensor"
)

// Dims are the sizes of a model.
type Dims struct {
	Width   int     // length of a hidden state
	FFN     int     // length of the feed-forward layer
	Heads   int     // query heads
	KVHeads int     // key and value heads; divides Heads
	HeadDim int     // values per head; even
	Vocab   int     // tokens
	Eps     float32 // of RMSNorm
}

// QDim is the length of all query heads of a row, KVDim of all key heads.
func (d Dims) QDim() int  { return d.Heads * d.HeadDim }
func (d Dims) KVDim() int { return d.KVHeads * d.HeadDim }

// Group is the number of query heads that share a key head.
func (d Dims) Group() int { return d.Heads / d.KVHeads }

// KVTypes are the types in which keys and values can be stored, the usual one
// first.
var KVTypes = []quant.Type{quant.F16, quant.F32, quant.Q8_0}

// CheckKV returns an error if the keys and values of the model cannot be stored
// as t.
func (d Dims) CheckKV(t quant.Type) error {
	if !slices.Contains(KVTypes, t) {
		return fmt.Errorf("a KV cache of type %v is not possible; choose one of %v", t, KVTypes)
	}
	if d.HeadDim%t.BlockLen() != 0 {
		return fmt.Errorf("a KV cache of type %v needs heads of a multiple of %d values; this model's have %d", t, t.BlockLen(), d.HeadDim)
	}
	return nil
}

// Rope is a rotary position embedding: pair i at position p turns by the
// angle p*InvFreq[i], and is then scaled by Scale (1 but for YaRN).
type Rope struct {
	InvFreq []float64 // HeadDim/2 values
	Scale   float64
}

// Linear is a matrix with an optional bias of one value a row.
type Linear struct {
	W    tensor.Tensor
	Bias []float32
}

// Block is one transformer block.
type Block struct {
	AttnNorm       []float32 // [Width]
	Q, K, V, O     Linear
	QNorm, KNorm   []float32 // [HeadDim], of each head before its rotation; nil for none
	FFNNorm        []float32 // [Width]
	Gate, Up, Down Linear
}

// Head turns hidden states into logits.
type Head struct {
	Norm []float32     // [Width]
	W    tensor.Tensor // [Vocab][Width]
}

// Plan is what one stage computes.
type Plan struct {
	Dims
	Rope
	Embedding *tensor.Tensor // [Vocab][Width]; nil if hidden states come in
	Blocks    []Block
	Head      *Head // nil if hidden states go out
}

// Layers is the number of places that a plan can be cut before: its embedding,
// each block and its head count as one layer each.
func (p *Plan) Layers() int {
	n := len(p.Blocks)
	if p.Embedding != nil {
		n++
	}
	if p.Head != nil {
		n++
	}
	return n
}

// Cut returns the first layers of a plan and the others, as Layers counts them.
func (p Plan) Cut(first int) (front, back Plan) {
	front, back = p, p
	n := first
	if p.Embedding != nil {
		if n > 0 {
			back.Embedding = nil
		} else {
			front.Embedding = nil
		}
		n--
	}
	n = max(n, 0)
	blocks := min(n, len(p.Blocks))
	front.Blocks, back.Blocks = p.Blocks[:blocks], p.Blocks[blocks:]
	if p.Head != nil {
		if n > len(p.Blocks) {
			back.Head = nil
		} else {
			front.Head = nil
		}
	}
	return front, back
}

// Span is a run of consecutive rows of a batch that belong to one sequence.
type Span struct {
	KV  KV
	Pos int // position of the first row, which is the number of cached ones
	N   int // rows
}

// Many is the number of tokens from which on those of a sequence that are
// computed in one call are many: see [Batch].
const Many = 32

// Batch is what passes through the stages of a placement.
type Batch struct {
	Spans []Span
	// Many says that all rows belong to sequences that have Many tokens and more
	// in this call, maybe in several batches. A device may compute those in
	// another way than few, so that the bits of a row depend neither on the other
	// sequences nor on how a call is cut into batches.
	Many    bool
	Tokens  []int32   // one a row
	Hidden  []float32 // [rows][Width], between stages
	Outputs []int     // the rows whose logits are wanted, rising
	Logits  []float32 // [len(Outputs)][Vocab] out
	// Best, if it is not nil, receives the most likely token of each output instead: the
	// first one of those with the largest logit. Logits is then room that a stage may use.
	Best []int32
	// Next says that the next batch is expected to be one token that follows this one's, and nothing
	// else: the one that Best receives, or any, where Top is wanted again, or Logits at the same place. A stage
	// may begin with it. If something else comes, nothing but time is lost.
	Next bool
	// Top, likewise, receives the largest logits of each output, [len(Outputs)][TopLen], as
	// [Top] orders them.
	Top []Logit
}

// Logit is a token and its logit.
type Logit struct {
	Token int32
	Value float32
}

// TopLen is how many of the largest logits of an output a batch can ask for.
const TopLen = 64

// Choose fills Best or Top, whichever is wanted, from Logits.
func (b *Batch) Choose() {
	if len(b.Outputs) == 0 {
		return
	}
	n := len(b.Logits) / len(b.Outputs)
	for i := range b.Best {
		b.Best[i] = Largest(b.Logits[i*n:][:n])
	}
	for i := range len(b.Top) / TopLen {
		Top(b.Top[i*TopLen:][:TopLen], b.Logits[i*n:][:n])
	}
}

// A Pinner is a stage that writes logits faster to memory that it knows.
type Pinner interface {
	// Pin makes memory known, the whole of what make returned, if that helps.
	Pin(logits []float32)
}

// Largest returns the place of the first of the largest values, of which there is at
// least one.
func Largest(x []float32) int32 {
	best, top := 0, x[0]
	for i, v := range x {
		if v > top {
			best, top = i, v
		}
	}
	return int32(best)
}

// Top writes the largest logits to a slice, which is not empty: the larger ones first, of equal
// ones the lower token. A NaN counts as larger than all numbers. If there are too few logits,
// tokens -1 follow, of minus infinity.
func Top(to []Logit, logits []float32) {
	for i := range to {
		to[i] = Logit{-1, float32(math.Inf(-1))}
	}
	last := len(to) - 1
	for token, x := range logits {
		if !to[last].below(x) {
			continue // which is so of nearly all
		}
		i := last
		for ; i > 0 && to[i-1].below(x); i-- {
			to[i] = to[i-1]
		}
		to[i] = Logit{int32(token), x}
	}
}

// below reports whether l comes behind the logit of a later token.
func (l *Logit) below(x float32) bool {
	return !(x <= l.Value) && l.Value == l.Value || l.Token < 0
}

// KV is a sequence's keys and values of one stage's blocks. It belongs to the
// stage that made it.
type KV interface {
	// Room returns the stage that it belongs to and its number of positions.
	Room() (of Stage, positions int)
	// Bytes is the memory it takes when full.
	Bytes() int64
	// Save writes the keys and values of the first n positions, in a layout
	// that is the same on all devices: [block][K, V][KVHeads][n] rows of
	// HeadDim values in the KV's type. So what the stages of a placement write
	// one after another is what those of any other placement read.
	Save(w io.Writer, n int) error
	// Load reads what Save wrote for n positions. After an error those
	// positions hold anything.
	Load(r io.Reader, n int) error
	Close() error
}

// Stage is a plan loaded on a device.
type Stage interface {
	// NewKV makes room for the keys and values of ctx positions, stored as
	// type t, one of KVTypes.
	NewKV(ctx int, t quant.Type) (KV, error)
	// Run computes a batch of at most MaxRows rows and stores its keys and
	// values. On an error what it stored is not to be used.
	Run(ctx context.Context, b *Batch) error
	MaxRows() int
	// Apart reports whether the stage computes batches with Many in another way.
	Apart() bool
	// SameRows is up to how many rows of a batch without Many have each the bits that
	// it has in a batch of its own.
	SameRows() int
	Close() error
}

package cpu

import (
	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// A tile is a part of the outputs of a matrix that its worker uses at once,
// while it is in the cache: at most tileRows rows of the batch, and tileValues
// values altogether.
const (
	tileRows   = 128
	tileValues = tileRows * 128
)

// scratch is a worker's own memory.
type scratch struct {
	Mat     generic.Scratch
	Panels  panel.Multiplier // nil if the tier has no panels
	Attn    *generic.AttnScratch
	Many    func(*generic.AttnTile) // attention of many rows; nil if few have the same
	Tile    generic.AttnTile
	Q       []float32 // queries of a tile, head after head
	Visible []int
	Key     []byte       // of one head, before it goes into its block
	Acts    tensor.Acts  // the rows that are being multiplied
	Out     [2][]float32 // tiles of one matrix or of gate and up; or a few rows
	Blocks  reduced      // a tile in quantised form
	Norm    *tensor.Acts // normed rows
	Fine    *tensor.Acts // their finer form, and on the way to it as numbers
	Norms   norms        // that the worker has to do for itself
	Partial results      // two sets: merged ones and those of the current chunk
	Clock   opClock
}

// outValues is the size of a scratch's Out: a tile, and any row, and the blocks that
// are quantised too much.
func outValues(d plan.Dims) int {
	row := (max(d.Width, d.QDim()+2*d.KVDim()) + tensor.BlockLen - 1) / tensor.BlockLen * tensor.BlockLen
	return max(tileValues, row) + quantUnit*tensor.BlockLen
}

// multiplierRows is the number of rows of the largest tile.
func multiplierRows(maxRows int) int { return min(maxRows, max(tileRows, manyTileRows)) }

func newScratch(d plan.Dims, t *tier.Tier, maxRows int) *scratch {
	n := mostAttnRows(t, d.HeadDim) * d.Group()
	values := outValues(d)
	s := &scratch{
		Attn:    generic.NewAttnScratch(d.HeadDim),
		Q:       tensor.Make[float32](n * d.HeadDim),
		Visible: make([]int, n),
		Key:     tensor.Make[uint8](4 * d.HeadDim),
		Out:     [2][]float32{tensor.Make[float32](values), tensor.Make[float32](values)},
		Blocks:  newReduced(t, values/tensor.BlockLen),
		Norm:    reducedForms(t).NewActs(rowsAtOnce, d.Width),
		Fine:    fineForms(t, true).NewActs(rowsAtOnce, d.Width),
		Partial: newResults(2*n, d.HeadDim),
	}
	if a := attentionOfMany(t, d.HeadDim); a != nil {
		s.Many = a.New(d.HeadDim)
	}
	if t.Panels != nil {
		s.Panels = t.Panels.NewMultiplier(multiplierRows(maxRows))
	}
	return s
}

// scratchBytes is the memory that a worker needs, and its packer while the
// weights are laid out.
func scratchBytes(p plan.Plan, o Options) int64 {
	longest := max(p.Width, p.QDim(), p.FFN)
	n := mostAttnRows(o.Tier, p.HeadDim) * p.Group()
	size := generic.ScratchBytes(longest) + generic.AttnScratchBytes(p.HeadDim) + n*(4*p.HeadDim+8) + 4*p.HeadDim +
		2*4*outValues(p.Dims) + reducedBytes(o.Tier, outValues(p.Dims)/tensor.BlockLen) +
		int(reducedForms(o.Tier).Bytes(rowsAtOnce, p.Width)+fineForms(o.Tier, true).Bytes(rowsAtOnce, p.Width)) + 2*n*(p.HeadDim*4+8)
	if a := attentionOfMany(o.Tier, p.HeadDim); a != nil {
		size += a.Bytes(p.HeadDim)
	}
	if o.Tier != nil && o.Tier.Panels != nil {
		size += o.Tier.Panels.PackerBytes(longest) + packBytes + o.Tier.Panels.MultiplierBytes(multiplierRows(o.MaxRows))
	}
	return int64(size)
}

// ffnForms are the forms that the outputs of gate and up are stored in.
func ffnForms(p plan.Plan, t *tier.Tier) (f tensor.Forms) {
	for i := range p.Blocks {
		down := p.Blocks[i].Down.W
		if integer(t, down) {
			f.Quantised = true
		} else {
			f.Float = true
			if t != nil && t.Many.Multiplies(down) {
				f.Words = manyWords(t)
				f.Quantised = !f.Words
			}
		}
	}
	return f
}

// fineForms are those of finer activations: 16 bits, or a second plane of 8, made of
// floating-point numbers.
func fineForms(t *tier.Tier, making bool) tensor.Forms {
	if t != nil && t.Words != nil {
		return tensor.Forms{Words: true}
	}
	return tensor.Forms{Float: making, Quantised: true}
}

// Bytes is the memory that New(p, o) takes beside the weights.
func Bytes(p plan.Plan, o Options) int64 {
	n := int64(o.MaxRows)
	total := 4 * n * int64(p.QDim()+2*p.KVDim()+p.HeadDim)
	if p.Embedding != nil {
		total += 4 * n * int64(p.Width)
	}
	both := reducedForms(o.Tier)
	total += both.Bytes(normRows(o.MaxRows), p.Width) + fineForms(o.Tier, false).Bytes(o.MaxRows, p.Width) + both.Bytes(o.MaxRows, p.QDim()) + ffnForms(p, o.Tier).Bytes(o.MaxRows, p.FFN)
	return total + passBytes(o.MaxRows, p.FFN) + attentionBytes(p.Dims, o) + scratchBytes(p, o)*int64(o.Workers)
}

// integer reports whether a tier multiplies one of the matrices with quantised
// activations.
func integer(t *tier.Tier, ms ...tensor.Tensor) bool {
	for _, m := range ms {
		if t.Integer && m.Type.Integer() {
			return true
		}
	}
	return false
}

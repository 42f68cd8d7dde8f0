package cpu

import (
	"fmt"

	"github.com/x448/float16"

	"qgo/kernels"
	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// KV holds the keys and values of one sequence. Those of one head lie
// together, position after position, so that attention streams them.
type KV struct {
	owner  *Stage
	typ    quant.Type
	ctx    int
	row    int // bytes of one head at one position
	layers int
	data   []byte // [layer][K, V][KVHeads][ctx] rows
}

// NewKV makes room for ctx positions; see [plan.Stage].
func (s *Stage) NewKV(ctx int, t quant.Type) (plan.KV, error) {
	if err := CheckKV(t, s.HeadDim); err != nil {
		return nil, err
	}
	kv := &KV{owner: s, typ: t, ctx: ctx, row: t.RowBytes(s.HeadDim), layers: len(s.Blocks)}
	kv.data = tensor.Make[byte](int(kv.Bytes()))
	return kv, nil
}

// CheckKV tells whether keys and values of headDim values can be stored as t.
func CheckKV(t quant.Type, headDim int) error {
	switch t {
	case quant.F32, quant.F16:
		return nil
	case quant.Q8_0:
		if headDim%t.BlockLen() == 0 {
			return nil
		}
		return fmt.Errorf("a KV cache of type q8_0 needs heads of a multiple of %d values; this model's have %d", t.BlockLen(), headDim)
	}
	return fmt.Errorf("a KV cache of type %v is not possible; choose f16, f32 or q8_0", t)
}

// Bytes is the memory of the cache.
func (kv *KV) Bytes() int64 {
	return 2 * int64(kv.layers) * int64(kv.owner.KVHeads) * int64(kv.ctx) * int64(kv.row)
}

// Close lets the memory go.
func (kv *KV) Close() error {
	kv.data, kv.ctx = nil, 0
	return nil
}

// head returns the rows of a key (part 0) or value (part 1) head.
func (kv *KV) head(layer, part, head int) []byte {
	n := kv.ctx * kv.row
	i := (layer*2+part)*kv.owner.KVHeads + head
	return kv.data[i*n : (i+1)*n]
}

// store writes the values x of a head at a position.
func (kv *KV) store(layer, part, head, pos int, x []float32) {
	dst := kv.head(layer, part, head)[pos*kv.row : (pos+1)*kv.row]
	if kv.typ == quant.F16 {
		for i, v := range x {
			h := float16.Fromfloat32(v).Bits()
			dst[2*i], dst[2*i+1] = byte(h), byte(h>>8)
		}
		return
	}
	quant.Quantize(kv.typ, dst, x)
}

// rotateAndStore applies the rotary embedding to the queries and keys of this
// worker's share of the rows, puts the scale of the softmax into the queries,
// and stores keys and values.
func (s *Stage) rotateAndStore(w *kernels.Worker, layer int) {
	q, kvDim, half := s.QDim(), s.KVDim(), s.HeadDim/2
	stride := q + 2*kvDim
	lo, hi := w.Range(s.rows, 1)
	row := 0
	for _, span := range s.batch.Spans {
		kv := span.KV.(*KV)
		for i := max(lo, row); i < min(hi, row+span.N); i++ {
			x := s.qkv[i*stride : (i+1)*stride]
			s.tier.Rope(x[:q+kvDim], s.cos[i*half:(i+1)*half], s.sin[i*half:(i+1)*half])
			for j := range x[:q] {
				x[j] *= s.attention.scale
			}
			for h := range s.KVHeads {
				o := q + h*s.HeadDim
				kv.store(layer, 0, h, span.Pos+i-row, x[o:o+s.HeadDim])
				kv.store(layer, 1, h, span.Pos+i-row, x[o+kvDim:o+kvDim+s.HeadDim])
			}
		}
		row += span.N
	}
}

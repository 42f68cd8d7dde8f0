package model

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/quant"
	"qgo/quant/codec"
)

// as makes matrices of another type.
func as(typ quant.Type) gguftest.Edit {
	return func(_ testing.TB, h *gguf.Header) {
		for i := range h.Tensors {
			x := &h.Tensors[i]
			if len(x.Dims) == 1 || x.Dims[0]%typ.BlockLen() != 0 {
				continue
			}
			w := make([]float32, x.Elements())
			codec.Dequantize(x.Type, w, x.Data)
			x.Type, x.Data = typ, make([]byte, typ.RowBytes(len(w)))
			codec.Quantize(typ, x.Data, w)
		}
	}
}

// TestCheckWeights looks through trained weights of every type, sound and
// damaged in several ways.
func TestCheckWeights(t *testing.T) {
	const matrix = "blk.3.ffn_up.weight" // 256 x 704
	damages := map[string]func(x *gguf.Tensor){
		"": nil, // sound
		"noise": func(x *gguf.Tensor) {
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range x.Data[:4096] {
				x.Data[8192+i] = byte(rng.Uint32())
			}
		},
		"shifted": func(x *gguf.Tensor) { copy(x.Data[1:], x.Data) },
		"zero":    func(x *gguf.Tensor) { clear(x.Data) },
	}
	types := slices.DeleteFunc(quant.Types(), func(t quant.Type) bool { return !t.HasKernels() })
	if testing.Short() {
		types = []quant.Type{quant.Q4_0, quant.Q2_K}
	}
	for _, typ := range types {
		sound := odd(t, as(typ))
		if x, _ := sound.Tensor(matrix); x.Type != typ {
			t.Fatalf("%s is %v, want %v", matrix, x.Type, typ)
		}
		for name, damage := range damages {
			f := sound
			if damage != nil {
				f = gguftest.Parse(t, sound, gguftest.Tensor(matrix, damage))
			}
			err := CheckWeights(context.Background(), f, nil)
			if name == "" && err != nil {
				t.Errorf("%v, sound: %v", typ, err)
			}
			if name != "" && (err == nil || !strings.Contains(err.Error(), "tensor "+matrix+": weight ") || !strings.HasSuffix(err.Error(), "; the file is damaged")) {
				t.Errorf("%v, %s: error %v", typ, name, err)
			}
		}
	}
}

func TestCheckWeightsPlaces(t *testing.T) {
	hole := func(name string, from, to int) gguftest.Edit { // of bytes
		return gguftest.Tensor(name, func(x *gguf.Tensor) { clear(x.Data[from:to]) })
	}
	single := func(name string, weight int, v float32) gguftest.Edit {
		return gguftest.Tensor(name, func(x *gguf.Tensor) { codec.Quantize(x.Type, x.Data[weight*x.Type.BlockBytes():], []float32{v}) })
	}
	if testing.Short() {
		t.Skip("takes long where the CPU is emulated")
	}
	const size = 8192 * 256 * 2 // of the embedding
	for _, c := range []struct {
		want  string // "" if the file is sound
		edits []gguftest.Edit
	}{
		{"", nil},
		{"blk.0.ffn_up.weight: weight 0 of row 16 and the 33023 after it, 66048 bytes, are zero", []gguftest.Edit{hole("blk.0.ffn_up.weight", 16*512, 16*512+66048)}},
		{"", []gguftest.Edit{hole("blk.0.ffn_up.weight", 8192, 8192+65536)}},
		{"", []gguftest.Edit{hole("token_embd.weight", size-1<<17, size)}}, // padding
		{"token_embd.weight: weight 0 of row 2 and ", []gguftest.Edit{hole("token_embd.weight", 1024, 1024+1<<17)}},
		{"blk.1.attn_q.weight: weight 0 of row 3, or one of the 255 after it, is thousands", []gguftest.Edit{single("blk.1.attn_q.weight", 3*256+7, 60000)}},
		{"", []gguftest.Edit{single("blk.1.attn_k.bias", 3, 1e6)}},
		{"blk.1.attn_k.bias: weight 3 of row 0 is no finite number", []gguftest.Edit{gguftest.Tensor("blk.1.attn_k.bias", func(x *gguf.Tensor) { copy(x.Data[12:], "\x00\x00\xc0\x7f") })}},
	} {
		err := CheckWeights(context.Background(), odd(t, append([]gguftest.Edit{as(quant.F16)}, c.edits...)...), nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), "tensor "+c.want)) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := CheckWeights(ctx, odd(t), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
}

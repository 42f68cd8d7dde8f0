package model

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/model/demo"
	"qgo/quant"
)

// odd returns the embedded model with changes.
func odd(t testing.TB, edits ...gguftest.Edit) *gguf.File {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	return gguftest.Parse(t, f, edits...)
}

// TestSameModel reads files that say in other ways what the embedded model's
// says: their logits must be its own.
func TestSameModel(t *testing.T) {
	tokens := []int32{9, 8, 7, 300}
	want := slices.Clone(logits(t, tiny(t, Options{}), tokens, WantAll))
	ones := func(x *gguf.Tensor) { x.Dims = append(x.Dims, 1, 1)[:min(len(x.Dims)+2, 4)] }
	for name, edits := range map[string][]gguftest.Edit{
		"KV heads of each block": {gguftest.Set("qwen2.attention.head_count_kv", []int32{2, 2, 2, 2, 2, 2})},
		"sizes of each block": {
			gguftest.Set("qwen2.feed_forward_length", []uint32{704, 704, 704, 704, 704, 704}),
			gguftest.Set("qwen2.attention.head_count", []uint32{4, 4, 4, 4, 4, 4}),
		},
		"dimensions of 1": {gguftest.Tensor("blk.0.attn_q.weight", ones), gguftest.Tensor("blk.1.attn_norm.weight", ones), gguftest.Tensor("blk.1.attn_k.bias", ones)},
		"scaling by 0":    {gguftest.Set("qwen2.rope.scaling.factor", float32(0)), gguftest.Set("qwen2.rope.scaling.type", "yarn")},
		"old scaling by 0": {
			gguftest.Set("qwen2.rope.scale_linear", float32(0)),
		},
		"no scaling":    {gguftest.Set("qwen2.rope.scaling.factor", float32(4)), gguftest.Set("qwen2.rope.scaling.type", "none")},
		"a bias of 0":   {gguftest.Add(gguf.Tensor{Name: "output.bias", Type: quant.F32, Dims: []int{8192}, Data: make([]byte, 4*8192)})},
		"unused tensor": {gguftest.Add(gguf.Tensor{Name: "blk.0.extra", Type: quant.F32, Dims: []int{4}, Data: make([]byte, 16)})},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load(context.Background(), odd(t, edits...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if got := logits(t, m, tokens, WantAll); !slices.Equal(got, want) {
				t.Error("the logits differ from those of the unchanged file")
			}
		})
	}
}

func TestRopeScalingKeys(t *testing.T) {
	const prefix = "qwen2.rope.scaling."
	for _, c := range []struct {
		want  RopeScaling
		edits []gguftest.Edit
	}{
		{RopeScaling{"none", 1, 512, 1}, nil},
		{RopeScaling{"linear", 4, 512, 1}, []gguftest.Edit{gguftest.Set(prefix+"factor", float32(4))}},
		{RopeScaling{"linear", 2, 512, 1}, []gguftest.Edit{gguftest.Set("qwen2.rope.scale_linear", float32(2))}},
		{RopeScaling{"yarn", 4, 256, 1}, []gguftest.Edit{
			gguftest.Set(prefix+"factor", float32(4)), gguftest.Set(prefix+"type", "yarn"), gguftest.Set(prefix+"original_context_length", uint32(256)),
		}},
	} {
		f := odd(t, append(c.edits, gguftest.Set("qwen2.context_length", uint32(512)))...)
		config, err := ReadConfig(f)
		if err != nil {
			t.Error(err)
		} else if config.RopeScaling != c.want {
			t.Errorf("scaling %+v, want %+v", config.RopeScaling, c.want)
		}
	}
}

// TestRefused checks the errors about models that cannot be computed.
func TestRefused(t *testing.T) {
	bias := make([]byte, 4*8192)
	binary.LittleEndian.PutUint32(bias[4*1000:], math.Float32bits(1e4))
	for want, edit := range map[string]gguftest.Edit{
		"key qwen2.attention.head_count_kv: expected one number for all blocks, found different ones":              gguftest.Set("qwen2.attention.head_count_kv", []int32{2, 2, 1, 2, 2, 2}),
		"key qwen2.attention.head_count: expected a number, or one for each of 6 blocks, found 5":                  gguftest.Set("qwen2.attention.head_count", []int32{4, 4, 4, 4, 4}),
		"tensor output.bias: the model adds a bias to its logits":                                                  gguftest.Add(gguf.Tensor{Name: "output.bias", Type: quant.F32, Dims: []int{8192}, Data: bias}),
		"tensor blk.0.attn_q.weight: expected the shape [256 256], found [256 128 2]":                              gguftest.Tensor("blk.0.attn_q.weight", func(x *gguf.Tensor) { x.Dims = []int{256, 128, 2} }),
		"tensor blk.6.attn_norm.weight: is missing":                                                                gguftest.Set("qwen2.block_count", uint32(1<<24)),
		`expected "qwen2" or "qwen3" (Qwen2 and Qwen2.5, Qwen3), found "\x1b[2J` + strings.Repeat("x", 60) + "…\"": gguftest.Set("general.architecture", "\x1b[2J"+strings.Repeat("x", 1<<20)),
		`expected none, linear or yarn, found "\x1b[2J"`:                                                           gguftest.Set("qwen2.rope.scaling.type", "\x1b[2J"),
		"expected a number from 1 to 10000, or 0 for none, found 0.5":                                              gguftest.Set("qwen2.rope.scaling.factor", float32(0.5)),
	} {
		if _, err := Load(context.Background(), odd(t, edit), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestHeaderCommandsNoMemory surveys files whose headers state sizes that their
// tensors do not bear out.
func TestHeaderCommandsNoMemory(t *testing.T) {
	for name, edits := range map[string][]gguftest.Edit{
		"blocks":    {gguftest.Set("qwen2.block_count", uint32(1<<24))},
		"head size": {gguftest.Set("qwen2.attention.key_length", uint32(1<<24))},
		"width":     {gguftest.Set("qwen2.embedding_length", uint32(1<<24))},
	} {
		f := odd(t, edits...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, _, err := Survey(f, Options{})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 4<<20 {
			t.Errorf("%s: %d bytes allocated, error %v", name, n, err)
		}
	}
}

// TestOddities wants each oddity of a file named, and none of a sound one.
func TestOddities(t *testing.T) {
	const hostile = "\x1b[2J"
	extra := gguf.Tensor{Name: "blk.0." + hostile, Type: quant.F32, Dims: []int{4}, Data: make([]byte, 16)}
	for _, c := range []struct {
		want []string
		edit gguftest.Edit
	}{
		{nil, gguftest.Set("general.name", "sound")},
		{[]string{`tensor blk.0.\x1b[2J: nothing is computed with it`}, gguftest.Add(extra)},
		{[]string{"key qwen2.attention.head_count_kv states a number for each block: it is 2 in all"}, gguftest.Set("qwen2.attention.head_count_kv", []int32{2, 2, 2, 2, 2, 2})},
		{[]string{"key qwen2.rope.scaling.factor is 0: positions are not scaled"}, gguftest.Set("qwen2.rope.scaling.factor", float32(0))},
		{[]string{"tensor blk.1.attn_k.bias has the shape [128 1], with ones at its end: they make no difference"},
			gguftest.Tensor("blk.1.attn_k.bias", func(x *gguf.Tensor) { x.Dims = append(x.Dims, 1) })},
		{[]string{"key tokenizer.ggml.pre does not say how text is split: as for Qwen2 and Qwen2.5"}, gguftest.Set("tokenizer.ggml.pre", "default")},
		{[]string{"the chat template writes <|assistant|>, which is no special token: the model reads it as text"},
			gguftest.Set("tokenizer.chat_template", "<|im_start|><|assistant|><|assistant|>"+hostile)},
	} {
		if got, err := Oddities(odd(t, c.edit)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("notes %q, %v; want %q", got, err, c.want)
		}
	}
}

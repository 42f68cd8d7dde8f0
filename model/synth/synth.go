// Package synth makes models with the shapes, types and quirks of Qwen2.5 but
// random weights: what speed depends on is all there, and nothing needs to be
// downloaded. The text of such a model is gibberish.
package synth

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"qgo/gguf"
	"qgo/model/arch"
	"qgo/model/chat"
	"qgo/model/files"
	"qgo/quant"
	"qgo/quant/codec"
)

// Shape is the size of a model.
type Shape struct {
	Name    string
	Width   int // hidden state
	FFN     int // feed-forward layer
	Blocks  int
	Heads   int
	KV      int        // key and value heads
	HeadDim int        // values of a head; 0 means as many as the heads have of the width
	Context int        // positions that its file states; 0 means those of Qwen2.5
	Arch    *arch.Arch // nil means Qwen2's
}

// headDim is the number of values of a head.
func (s Shape) headDim() int { return cmp.Or(s.HeadDim, s.Width/s.Heads) }

func (s Shape) family() *arch.Arch { return cmp.Or(s.Arch, &arch.Qwen2) }

// Shapes are those of the three small models of Qwen2.5 (Qwen2.5 technical
// report, arXiv:2412.15115) and of Qwen3 (arXiv:2505.09388), and of the models'
// config.json.
var Shapes = []Shape{
	{"0.5b", 896, 4864, 24, 14, 2, 0, 0, nil},
	{"1.5b", 1536, 8960, 28, 12, 2, 0, 0, nil},
	{"3b", 2048, 11008, 36, 16, 2, 0, 0, nil},
	{"qwen3-0.6b", 1024, 3072, 28, 16, 8, 128, 40960, &arch.Qwen3},
	{"qwen3-1.7b", 2048, 6144, 28, 16, 8, 128, 40960, &arch.Qwen3},
	{"qwen3-4b", 2560, 9728, 36, 32, 8, 128, 40960, &arch.Qwen3},
}

// Constants of all sizes.
const (
	contextLen = 32768 // unless a shape has another
	ropeBase   = 1e6
	rmsEpsilon = 1e-6
)

// Spec says which model to make.
type Spec struct {
	Shape
	Mix    quant.Mix
	Untied bool // with an output.weight of its own, as the published files have
	Seed   uint64
	Vocab  int // tokens; 0 means the 151 936 of Qwen2.5
}

// ParseSpec returns the spec for a size and a quantisation, such as "0.5b" and
// "q4_0".
func ParseSpec(size, quantisation string) (Spec, error) {
	var names []string
	for _, s := range Shapes {
		if strings.EqualFold(s.Name, size) {
			mix, err := quant.ParseMix(quantisation)
			return Spec{Shape: s, Mix: mix}, err
		}
		names = append(names, s.Name)
	}
	return Spec{}, fmt.Errorf("no model size %q; choose one of %s", size, strings.Join(names, ", "))
}

// Name is what the model is called.
func (s Spec) Name() string {
	name := s.Shape.Name
	if s.Arch == nil {
		name = "qwen2.5-" + name
	}
	return fmt.Sprintf("synthetic-%s-%s", name, s.Mix.Name)
}

func (s Spec) vocab() int {
	if s.Vocab > 0 {
		return s.Vocab
	}
	return qwenVocab
}

// header returns the metadata and the tensors in the order of the file.
func (s Spec) header() gguf.Header {
	v, key := vocabularyOf(s.vocab()), s.family().Name+"."
	h := gguf.Header{Meta: []gguf.KV{
		{Key: "general.architecture", Value: s.family().Name},
		{Key: "general.type", Value: "model"},
		{Key: "general.name", Value: s.Name()},
		{Key: "general.description", Value: "random weights in the shape of a published model, for benchmarks"},
		{Key: "general.file_type", Value: s.Mix.FileType},
		{Key: "general.quantization_version", Value: uint32(2)},
		{Key: key + "block_count", Value: uint32(s.Blocks)},
		{Key: key + "context_length", Value: uint32(cmp.Or(s.Context, contextLen))},
		{Key: key + "embedding_length", Value: uint32(s.Width)},
		{Key: key + "feed_forward_length", Value: uint32(s.FFN)},
		{Key: key + "attention.head_count", Value: uint32(s.Heads)},
		{Key: key + "attention.head_count_kv", Value: uint32(s.KV)},
		{Key: key + "rope.freq_base", Value: float32(ropeBase)},
		{Key: key + "attention.layer_norm_rms_epsilon", Value: float32(rmsEpsilon)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: s.family().Split},
		{Key: "tokenizer.ggml.tokens", Value: v.tokens},
		{Key: "tokenizer.ggml.token_type", Value: v.types},
		{Key: "tokenizer.ggml.merges", Value: v.merges},
		{Key: "tokenizer.ggml.eos_token_id", Value: v.end},
		{Key: "tokenizer.ggml.padding_token_id", Value: v.pad},
		{Key: "tokenizer.ggml.add_bos_token", Value: false},
		{Key: "tokenizer.chat_template", Value: chat.ChatML},
	}}
	if s.HeadDim != 0 {
		for _, name := range []string{"key_length", "value_length"} {
			h.Meta = append(h.Meta, gguf.KV{Key: key + "attention." + name, Value: uint32(s.HeadDim)})
		}
	}
	matrix := func(name string, block, cols, rows int) {
		h.Tensors = append(h.Tensors, gguf.Tensor{Name: prefix(block) + name, Dims: []int{cols, rows}, Type: s.Mix.Type(quant.Place{
			Tensor: name, Block: block, Blocks: s.Blocks, Cols: cols, Group: s.Heads / s.KV, Tied: !s.Untied,
		})})
	}
	vector := func(name string, block, n int) {
		h.Tensors = append(h.Tensors, gguf.Tensor{Name: prefix(block) + name, Dims: []int{n}, Type: quant.F32})
	}
	q, kv := s.Heads*s.headDim(), s.KV*s.headDim()
	matrix("token_embd.weight", none, s.Width, s.vocab())
	for i := range s.Blocks {
		vector("attn_norm.weight", i, s.Width)
		for _, m := range []struct {
			name string
			rows int
			norm bool
		}{{"attn_q", q, s.family().HeadNorm}, {"attn_k", kv, s.family().HeadNorm}, {"attn_v", kv, false}} {
			if s.family().Bias {
				vector(m.name+".bias", i, m.rows)
			}
			matrix(m.name+".weight", i, s.Width, m.rows)
			if m.norm {
				vector(m.name+"_norm.weight", i, s.headDim())
			}
		}
		matrix("attn_output.weight", i, q, s.Width)
		vector("ffn_norm.weight", i, s.Width)
		matrix("ffn_gate.weight", i, s.Width, s.FFN)
		matrix("ffn_up.weight", i, s.Width, s.FFN)
		matrix("ffn_down.weight", i, s.FFN, s.Width)
	}
	vector("output_norm.weight", none, s.Width)
	if s.Untied {
		matrix("output.weight", none, s.Width, s.vocab())
	}
	return h
}

// none is the block number of tensors that belong to no block.
const none = -1

func prefix(block int) string {
	if block == none {
		return ""
	}
	return fmt.Sprintf("blk.%d.", block)
}

// Size is the length of the model's file in bytes.
func (s Spec) Size() (int64, error) {
	h := s.header()
	return h.Size()
}

// Outline describes the model without making its weights.
func (s Spec) Outline() (*gguf.File, error) {
	h := s.header()
	return h.Outline(s.Name())
}

// Build makes the model in memory.
func Build(s Spec) (*gguf.File, error) {
	h := s.header()
	size, err := h.Size()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(int(size))
	if err := s.write(context.Background(), &b, h, nil); err != nil {
		return nil, err
	}
	return gguf.Parse(s.Name(), b.Bytes())
}

// Write makes the model as a file, which appears when it is complete.
// progress, if not nil, is called with the bytes written so far and in all.
func Write(ctx context.Context, path string, s Spec, progress func(done, total int64)) error {
	h := s.header()
	size, err := h.Size()
	if err != nil {
		return err
	}
	if err := files.NeedSpace(path, size); err != nil {
		return err
	}
	return files.Replace(path, func(w io.Writer) error {
		return s.write(ctx, w, h, func(done int64) {
			if progress != nil {
				progress(done, size)
			}
		})
	})
}

func (s Spec) write(ctx context.Context, out io.Writer, h gguf.Header, progress func(done int64)) error {
	w, err := gguf.NewWriter(out, h)
	if err != nil {
		return err
	}
	var done int64
	var buf []byte
	for i := range h.Tensors {
		t := &h.Tensors[i]
		n := t.Type.RowBytes(t.Elements())
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		if err := s.fill(ctx, t, buf[:n]); err != nil {
			return err
		}
		if err := w.WriteTensor(buf[:n]); err != nil {
			return err
		}
		if done += int64(n); progress != nil {
			progress(done)
		}
	}
	return w.Close()
}

// fill writes a tensor's data, on all cores, unless ctx ends. A row's values
// depend on the seed, the tensor and the row alone.
func (s Spec) fill(ctx context.Context, t *gguf.Tensor, dst []byte) error {
	cols, rows := t.Dims[0], t.Rows()
	v := s.values(t.Name, cols)
	workers := min(runtime.GOMAXPROCS(0), rows)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			row, bytes := make([]float32, cols), t.Type.RowBytes(cols)
			for r := rows * k / workers; r < rows*(k+1)/workers && ctx.Err() == nil; r++ {
				v.row(row, r)
				codec.Quantize(t.Type, dst[r*bytes:(r+1)*bytes], row)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

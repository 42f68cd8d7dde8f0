// Package convert makes model files out of others.
package convert

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"qgo/gguf"
	"qgo/model"
	"qgo/model/files"
	"qgo/quant"
)

// Quantize writes the model f, whose weights are floating-point numbers, with
// the types of mix to the file path, which appears when it is complete. It
// works on all workers and holds a few megabytes at a time. progress, if not
// nil, is called with the bytes of weights done so far and in all.
func Quantize(ctx context.Context, f *gguf.File, path string, mix quant.Mix, workers int, progress func(done, total int64)) error {
	h, err := header(f, mix)
	if err != nil {
		return err
	}
	if err := checkOutput(f, path, &h); err != nil {
		return err
	}
	var total int64
	for i := range f.Tensors {
		total += int64(len(f.Tensors[i].Data))
	}
	return files.Replace(path, func(out io.Writer) error {
		w, err := gguf.NewWriter(out, h)
		if err != nil {
			return err
		}
		if err := write(ctx, w, newParts(f, h), workers, func(done int64) {
			if progress != nil {
				progress(done, total)
			}
		}); err != nil {
			return err
		}
		return w.Close()
	})
}

// header returns the header of f's model as mix.
func header(f *gguf.File, mix quant.Mix) (gguf.Header, error) {
	c, err := model.ReadConfig(f)
	if err != nil {
		return gguf.Header{}, err
	}
	h := gguf.Header{BigEndian: f.BigEndian}
	for _, kv := range f.Meta {
		if !strings.HasPrefix(kv.Key, gguf.SplitPrefix) { // the new file is whole
			h.Meta = append(h.Meta, kv)
		}
	}
	set := func(key string, value uint32) {
		for i := range h.Meta {
			if h.Meta[i].Key == key {
				h.Meta[i].Value = value
				return
			}
		}
		h.Meta = append(h.Meta, gguf.KV{Key: key, Value: value})
	}
	set("general.file_type", mix.FileType)
	set("general.quantization_version", 2) // of ggml, since 2023
	for _, t := range f.Tensors {
		if t.Type.Integer() {
			return gguf.Header{}, f.TensorErrorf(&t, 0, " is %v already; rounding twice costs quality, so take the model's f16, bf16 or f32 file", t.Type)
		}
		out := gguf.Tensor{Name: t.Name, Dims: t.Dims, Type: t.Type}
		if t.Rows() > 1 {
			name, block := place(t.Name)
			out.Type = mix.Type(quant.Place{
				Tensor: name, Block: block, Blocks: c.Blocks, Cols: t.Dims[0], Group: c.Group(), Tied: c.Tied,
			})
		}
		h.Tensors = append(h.Tensors, out)
	}
	return h, nil
}

var blockName = regexp.MustCompile(`^blk\.(\d{1,6})\.(.*)$`)

// place takes a tensor's name apart: "blk.3.attn_q.weight" is attn_q.weight of
// block 3. What belongs to no block is in block -1.
func place(tensor string) (name string, block int) {
	m := blockName.FindStringSubmatch(tensor)
	if m == nil {
		return tensor, -1
	}
	block, _ = strconv.Atoi(m[1]) // digits only, and few
	return m[2], block
}

// checkOutput fails if path is a file of the input, or too large for its disk.
func checkOutput(f *gguf.File, path string, h *gguf.Header) error {
	if out, err := os.Stat(path); err == nil {
		for _, name := range f.Paths() {
			if in, err := os.Stat(name); err == nil && os.SameFile(in, out) {
				return fmt.Errorf("%s is the input as well; choose another name for the output", path)
			}
		}
	}
	size, err := h.Size()
	if err != nil {
		return err
	}
	return files.NeedSpace(path, size)
}

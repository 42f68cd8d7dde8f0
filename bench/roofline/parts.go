package roofline

import (
	"strings"

	"qgo/gguf"
	"qgo/model"
	"qgo/quant"
)

// Part is the tensors of one name, in all blocks, and of one type.
type Part struct {
	Name    string `json:"name"` // without the number of the block
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Cols    int    `json:"cols"` // of a row
	Weights int64  `json:"weights"`
	Bytes   int64  `json:"bytes"`        // in the file
	Read    int64  `json:"read"`         // bytes that a decoded token reads
	FLOP    int64  `json:"flop"`         // of a decoded token
	Prefill int64  `json:"prefill"`      // FLOP of a token of a prompt but for the last
	Head    bool   `json:"head"`         // what only tokens with logits need
	Row     bool   `json:"one_row_only"` // the embedding, of which a token reads a row
}

// Parts lists what a token reads and computes, tensor by tensor in the order
// of the file.
func Parts(f *gguf.File, c *model.Config) []Part {
	type key struct{ name, typ string }
	index := map[key]int{}
	var parts []Part
	for i := range f.Tensors {
		t := &f.Tensors[i]
		name := t.Name
		if rest, ok := strings.CutPrefix(name, "blk."); ok {
			_, name, _ = strings.Cut(rest, ".")
		}
		k := key{name, t.Type.String()}
		at, ok := index[k]
		if !ok {
			at = len(parts)
			index[k] = at
			parts = append(parts, Part{Name: name, Type: k.typ, Cols: int(t.Dims[0])})
		}
		p := &parts[at]
		p.Tensors++
		p.count(t, c)
	}
	if c.Tied {
		// The embedding is read twice: as the head, and a row of it.
		for i := range parts {
			if p := &parts[i]; p.Name == "token_embd.weight" {
				t, _ := f.Tensor(p.Name)
				p.Read += int64(t.Type.RowBytes(c.Width))
			}
		}
	}
	return parts
}

// count adds a tensor to its part.
func (p *Part) count(t *gguf.Tensor, c *model.Config) {
	n, bytes := int64(t.Elements()), int64(t.Type.RowBytes(t.Elements()))
	p.Weights += n
	p.Bytes += bytes
	switch {
	case t.Name == "token_embd.weight" && !c.Tied:
		p.Row = true
		p.Read += int64(t.Type.RowBytes(c.Width))
	case t.Name == "token_embd.weight" || t.Name == "output.weight":
		p.Head = true
		p.Read += bytes
		p.FLOP += 2 * n
	case len(t.Dims) == 1:
		// Vectors are float32 in memory. Their few operations are not
		// counted: the roofline is that of the matrices.
		p.Head = t.Name == "output_norm.weight"
		p.Read += int64(quant.F32.RowBytes(int(n)))
	default:
		p.Read += bytes
		p.FLOP += 2 * n
		p.Prefill += 2 * n
	}
}

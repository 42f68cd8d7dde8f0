package cpu

import (
	"fmt"
	"io"

	"qgo/kernels/generic"
)

// Save writes the keys and values of the first n positions: for each layer
// the keys of each head, in whole blocks, and then the values of each head.
func (kv *KV) Save(w io.Writer, n int) error {
	return kv.each(n, func(part int, data []byte) error {
		if part == 0 {
			data = kv.keysOf(data, n)
		}
		_, err := w.Write(data)
		return err
	})
}

// Load reads what Save wrote for n positions.
func (kv *KV) Load(r io.Reader, n int) error {
	return kv.each(n, func(_ int, data []byte) error {
		_, err := io.ReadFull(r, data)
		return err
	})
}

// each calls f with the keys (part 0) and the values (part 1) of n positions
// of every head.
func (kv *KV) each(n int, f func(part int, data []byte) error) error {
	if n < 0 || n > kv.ctx {
		return fmt.Errorf("cpu: %d positions do not fit a KV cache of %d", n, kv.ctx)
	}
	size := [2]int{roundUp(n) * kv.row, n * kv.row}
	for layer := range kv.layers {
		for part := range size {
			for h := range kv.owner.KVHeads {
				if err := f(part, kv.head(layer, part, h)[:size[part]]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keysOf returns whole blocks of keys with zeros at the positions from n on:
// what stood there was taken back, and nobody expects it in a file.
func (kv *KV) keysOf(blocks []byte, n int) []byte {
	if n%generic.KeyBlock == 0 {
		return blocks
	}
	blocks = append([]byte(nil), blocks...)
	zero := make([]byte, kv.row)
	for pos := n; pos < roundUp(n); pos++ {
		generic.PutKey(kv.typ, blocks, pos, zero)
	}
	return blocks
}

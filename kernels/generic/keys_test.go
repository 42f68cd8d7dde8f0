package generic

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"qgo/quant"
)

// TestGetKey puts keys of any bytes at all positions of three blocks and reads
// them again.
func TestGetKey(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		for _, dim := range []int{32, 64, 128} {
			size := typ.RowBytes(dim)
			rows, got := make([]byte, 3*KeyBlock*size), make([]byte, 3*KeyBlock*size)
			rng.Read(rows)
			blocks := make([]byte, len(rows))
			for pos := range 3 * KeyBlock {
				PutKey(typ, blocks, pos, rows[pos*size:][:size])
			}
			for pos := range 3 * KeyBlock {
				GetKey(typ, got[pos*size:][:size], blocks, pos)
			}
			if !bytes.Equal(got, rows) {
				t.Errorf("%v, heads of %d: the keys read are not those put", typ, dim)
			}
			if bytes.Equal(blocks, rows) {
				t.Errorf("%v, heads of %d: the blocks are no blocks but rows", typ, dim)
			}
		}
	}
}

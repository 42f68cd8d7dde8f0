package panel

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"qgo/quant"
)

// TestInOrder lays out random blocks by copying and by taking them apart, which
// must give the same bytes.
func TestInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	n := 0
	for _, typ := range quant.Types() {
		if !typ.Format().InOrder {
			continue
		}
		n++
		for _, cols := range []int{32, 64, 96, 1024, 1056} {
			var rows [Rows][]byte
			for r := range rows {
				rows[r] = make([]byte, typ.RowBytes(cols))
				for i := range rows[r] {
					rows[r][i] = byte(rng.Uint32())
				}
			}
			copied, apart := make([]byte, panelBytes(typ, cols)), make([]byte, panelBytes(typ, cols))
			p := new(Kernels).NewPacker(cols).(*packer)
			p.pack(copied, typ, cols, &rows, true)
			p.pack(apart, typ, cols, &rows, false)
			if !bytes.Equal(copied, apart) {
				t.Errorf("%v, %d columns: the panels differ", typ, cols)
			}
		}
	}
	if n != 6 {
		t.Errorf("%d types are copied, want 6", n)
	}
}

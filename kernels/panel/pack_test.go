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
			row := make([]byte, typ.RowBytes(cols))
			for i := range row {
				row[i] = byte(rng.Uint32())
			}
			copied, apart := make([]byte, panelBytes(typ, cols)), make([]byte, panelBytes(typ, cols))
			for r := range Rows {
				packBlocks(copied, typ, row, r)
				new(Kernels).NewPacker(cols).(*packer).packCodes(apart, typ, cols, row, r)
			}
			if !bytes.Equal(copied, apart) {
				t.Errorf("%v, %d columns: the panels differ", typ, cols)
			}
		}
	}
	if n != 6 {
		t.Errorf("%d types are copied, want 6", n)
	}
}

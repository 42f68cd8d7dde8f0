package cuda

import (
	"testing"

	"qgo/quant"
)

// TestStreamShape says how heads of known sizes are shared, and that one whose rows do not fit
// into a block's memory is not.
func TestStreamShape(t *testing.T) {
	const sms, memory = 132, 227 << 10
	for _, c := range []struct {
		rows, cols int
		typ        quant.Type
		want       streamShape
	}{
		{151936, 896, quant.Q4_0, streamShape{4, 28*144 + 4*2*16*504, 132}},
		{151936, 896, quant.F16, streamShape{3, 28*144 + 3*2*16*1792, 132}},
		{1000, 896, quant.Q6_K, streamShape{4, 28*144 + 4*2*(16*734+32), 16}},
		{151936, 8192, quant.F16, streamShape{}},
	} {
		l := &linear{typ: c.typ}
		l.w.rows, l.w.cols = int32(c.rows), int32(c.cols)
		if got := streamShapeOf(l, sms, memory); got != c.want {
			t.Errorf("%d by %d of %v: %v, want %v", c.rows, c.cols, c.typ, got, c.want)
		}
	}
}

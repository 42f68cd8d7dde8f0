package cpu

import (
	"testing"

	"qgo/tensor"
)

// TestSubtract has groups with scales of their own; products are rounded before
// they are subtracted.
func TestSubtract(t *testing.T) {
	const n = 3 * tensor.BlockLen
	row, left, blocks := make([]float32, n), make([]float32, n), make([]tensor.Block, 3)
	for i := range row {
		row[i] = float32(i)*0.37 - 11
		b := &blocks[i/tensor.BlockLen]
		b.Q[i%tensor.BlockLen] = int8(i*29 - 128)
		b.D[i%tensor.BlockLen/tensor.GroupLen] = 0.1 + float32(i/tensor.GroupLen)/7
	}
	subtract(left, row, blocks)
	for i, got := range left {
		q := float32(int8(i*29 - 128))
		d := 0.1 + float32(i/tensor.GroupLen)/7
		product := d * q
		if want := row[i] - float32(product); got != want {
			t.Errorf("value %d: %v, want %v", i, got, want)
		}
	}
}

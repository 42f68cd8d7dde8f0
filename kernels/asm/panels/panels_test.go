package panels

import "testing"

// TestCallRows takes the columns of matrices of the 0.5B, the 1.5B and the 3B.
func TestCallRows(t *testing.T) {
	for cols, want := range map[int]int{896: 64, 1536: 64, 2048: 64, 4864: 32, 8960: 16, 11008: 16} {
		if got := CallRows(cols); got != want {
			t.Errorf("%d columns: %d rows a call, want %d", cols, got, want)
		}
	}
}

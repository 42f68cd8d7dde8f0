package sweep

import (
	"os"
	"testing"

	"qgo/bench"
)

// TestMain has small arrays probed: no test asks how fast the memory is.
func TestMain(m *testing.M) {
	bench.MaxArray = 32 << 20
	os.Exit(m.Run())
}

package sweep

import (
	"os"
	"testing"

	"qgo/bench"
)

// TestMain keeps the probed arrays small: no test asks how fast the memory is.
func TestMain(m *testing.M) {
	bench.MaxArray = 32 << 20
	os.Exit(m.Run())
}

package bench

import (
	"os"
	"testing"
)

// TestMain keeps the probed arrays small: no test asks how fast the memory is.
func TestMain(m *testing.M) {
	MaxArray = smallestArray
	os.Exit(m.Run())
}

package bench

import (
	"os"
	"testing"
)

// TestMain has small arrays probed: no test asks how fast the memory is.
func TestMain(m *testing.M) {
	MaxArray = smallestArray
	os.Exit(m.Run())
}

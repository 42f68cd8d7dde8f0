//go:build unix

package kernels

import (
	"os"
	"testing"
)

func TestSharedMemory(t *testing.T) {
	name := "test-" + t.Name()
	a, err := sharedMemory(name, 4096)
	if err != nil {
		t.Fatal(err)
	}
	path, _ := sharedPath(name)
	t.Cleanup(func() { os.Remove(path) })
	b, err := sharedMemory(name, 4096)
	if err != nil {
		t.Fatal(err)
	}
	a[17] = 42
	if b[17] != 42 {
		t.Error("what one wrote the other does not see")
	}
}

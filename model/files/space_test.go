package files

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestNeedSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := NeedSpace(path, 1); err != nil {
		t.Errorf("one byte: %v", err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the free space is asked for on few systems")
	}
	if err := NeedSpace(path, 1<<60); err == nil || !strings.Contains(err.Error(), "model.gguf needs 1.2 EB") {
		t.Errorf("an exabyte: error %v", err)
	}
	deep := filepath.Join(filepath.Dir(path), "not", "there", "model.gguf")
	if err := NeedSpace(deep, 1<<60); err == nil || NeedSpace(deep, 1) != nil {
		t.Errorf("an exabyte in a directory that is not there yet: error %v", err)
	}
}

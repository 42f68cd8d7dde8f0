package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for text, want := range map[string]string{"qwen2.5-0.5b:q4_0": "qwen2.5-0.5b:q4_0", "Qwen2.5-3B-Instruct:Q8_0": "qwen2.5-3b:q8_0", "qwen2.5-1.5b": "qwen2.5-1.5b:q4_k_m", "qwen3-1.7b:Q8_0": "qwen3-1.7b:q8_0", "Qwen3-4B": "qwen3-4b:q4_k_m"} {
		if r, err := ParseRef(text); err != nil || r.String() != want {
			t.Errorf("%s is %v, %v", text, r, err)
		}
	}
	for _, bad := range []string{"", "llama:q4_0", "qwen2.5-8b:q4_0", "qwen2.5-coder-72b:q4_0", "qwen2.5-3b:q9", "qwen2.5-3b:", "qwen3-0.6b:q4_k_m", "qwen3-8b", "qwen3-4b-instruct"} {
		if _, err := ParseRef(bad); err == nil || !strings.Contains(err.Error(), "0.5b, 1.5b, 3b, 7b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for n, want := range map[Name][2]string{
		{Lines[0], "7b", "q4_k_m"}: {"Qwen/Qwen2.5-7B-Instruct-GGUF", "qwen2.5-7b-instruct-q4_k_m"},
		{Lines[1], "1.5b", "fp16"}: {"Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-fp16"},
		{Lines[2], "0.6b", "q8_0"}: {"Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0"},
		{Lines[2], "4b", "q4_k_m"}: {"Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M"},
	} {
		if n.repo() != want[0] || n.Stem() != want[1] {
			t.Errorf("%s is %s in %s", n, n.Stem(), n.repo())
		}
		if got := NameOf(filepath.Join("dir", n.Stem()+".gguf")); got != n.String() {
			t.Errorf("the file of %s is called %s", n, got)
		}
	}
	if n := len(Names()); n != 124 {
		t.Errorf("%d names", n)
	}
}

func TestCache(t *testing.T) {
	c := Cache{filepath.Join(t.TempDir(), "none")}
	if list, err := c.List(); len(list) != 0 || err != nil {
		t.Errorf("no directory: %v, %v", list, err)
	}
	c.Dir = t.TempDir()
	for _, name := range []string{fileName, "mine.gguf", "qwen2.5-3b-instruct-fp16-00001-of-00002.gguf", "qwen2.5-3b-instruct-fp16-00002-of-00002.gguf", "other.txt"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := c.List(); len(list) != 3 || err != nil {
		t.Errorf("list %+v, %v", list, err)
	}
	for name, want := range map[string]string{
		"qwen2.5-0.5b:q4_0": fileName, "mine": "mine.gguf", "mine.gguf": "mine.gguf",
		"qwen2.5-3b:fp16": "qwen2.5-3b-instruct-fp16-00001-of-00002.gguf",
	} {
		if path, err := c.Find(name); err != nil || filepath.Base(path) != want {
			t.Errorf("%s is %s, %v; want %s", name, path, err, want)
		}
	}
	if _, err := c.Find("qwen2.5-3b:q4_0"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "qgo pull qwen2.5-3b:q4_0") {
		t.Errorf("a missing model: %v", err)
	}
	for _, bad := range []string{"*", "m*", "[m]ine", "nothing", "qwen2.5-3b:q4_0"} {
		if list, err := c.Remove(bad); err == nil {
			t.Errorf("removing %s: %v", bad, list)
		}
	}
	if list, err := c.Remove("qwen2.5-3b:fp16"); err != nil || len(list) != 2 {
		t.Errorf("removing a split model: %v, %v", list, err)
	}
	if list, err := c.Remove("mine.gguf"); err != nil || len(list) != 1 {
		t.Errorf("removing a file: %v, %v", list, err)
	}
	if list, err := c.List(); err != nil || len(list) != 1 {
		t.Errorf("afterwards: %v, %v", list, err)
	}
}

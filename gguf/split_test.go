package gguf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/quant"
)

// writeParts writes a model of one tensor a part, and returns the first file.
// change may spoil the metadata of a part.
func writeParts(t *testing.T, count int, change func(no int, meta []KV) []KV) string {
	t.Helper()
	names := []string{"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"}
	dir := t.TempDir()
	for no := range count {
		meta := []KV{
			{Key: "split.no", Value: uint16(no)}, {Key: "split.count", Value: uint16(count)},
			{Key: "split.tensors.count", Value: int32(count)},
		}
		if no == 0 {
			meta = append(meta, KV{Key: "general.name", Value: "split"})
		}
		if change != nil {
			meta = change(no, meta)
		}
		tensor := Tensor{Name: "t" + string(rune('0'+no)), Type: quant.F32, Dims: []int{2}}
		var b bytes.Buffer
		w, err := NewWriter(&b, Header{Meta: meta, Tensors: []Tensor{tensor}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteTensor(bytes.Repeat([]byte{byte(no + 1)}, 8)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, names[no]), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, names[0])
}

func TestSplit(t *testing.T) {
	path := writeParts(t, 3, nil)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	third, _ := f.Tensor("t2")
	if got, want := f.TensorErrorf(third, 4, " is odd").Error(), fmt.Sprintf("%s: byte %d: tensor t2 is odd", f.Paths()[2], third.Offset+4); got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	var size int64
	for no, name := range []string{"t0", "t1", "t2"} {
		x, ok := f.Tensor(name)
		if !ok || !bytes.Equal(x.Data, bytes.Repeat([]byte{byte(no + 1)}, 8)) {
			t.Errorf("tensor %s: %v, %v", name, x, ok)
		}
		f.Release(x.Data)
		info, err := os.Stat(strings.Replace(path, "00001", "0000"+string(rune('1'+no)), 1))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if f.Size() != size || len(f.Tensors) != 3 {
		t.Errorf("%d bytes and %d tensors, want %d and 3", f.Size(), len(f.Tensors), size)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	_, err = Open(strings.Replace(path, "00001", "00002", 1))
	if err == nil || !strings.Contains(err.Error(), "open the first") {
		t.Errorf("the second part: %v", err)
	}
}

func TestSplitErrors(t *testing.T) {
	set := func(part int, key string, v any) func(int, []KV) []KV {
		return func(no int, meta []KV) []KV {
			for i := range meta {
				if no == part && meta[i].Key == key {
					meta[i].Value = v
				}
			}
			return meta
		}
	}
	for _, c := range []struct {
		want   string
		change func(no int, meta []KV) []KV
	}{
		{"expected 0 to 2", set(0, "split.no", uint16(3))},
		{"expected 1 to", set(0, "split.count", uint32(1<<30))},
		{"expected 1 to", set(0, "split.count", int32(-1))},
		{"found the text", set(0, "split.count", "three")},
		{"ends in -00001-of-00002.gguf", set(0, "split.count", uint16(2))},
		{"expected part 2 of 3", set(1, "split.no", uint16(2))},
		{"expected part 3 of 3", set(2, "split.count", uint16(4))},
		{"expected 9 tensors, found 3", set(0, "split.tensors.count", int32(9))},
	} {
		if _, err := Open(writeParts(t, 3, c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, found %v", c.want, err)
		}
	}
	path := writeParts(t, 3, nil)
	if err := os.Remove(strings.Replace(path, "00001", "00003", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "part 3 of 3") {
		t.Errorf("a missing part: %v", err)
	}
	other := filepath.Join(filepath.Dir(path), "m-00003-of-00003.gguf")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first = bytes.Replace(first, []byte("split.no\x02\x00\x00\x00\x00\x00"), []byte("split.no\x02\x00\x00\x00\x02\x00"), 1)
	if err := os.WriteFile(other, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "tensor t0 is in another part too") {
		t.Errorf("a tensor twice: %v", err)
	}
}

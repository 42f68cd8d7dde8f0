package synth

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"qgo/gguf"
	"qgo/model"
)

// small is a model of the shape of the 0.5B with fewer blocks and tokens.
func small(t testing.TB, mix string) Spec {
	t.Helper()
	s, err := ParseSpec("0.5b", mix)
	if err != nil {
		t.Fatal(err)
	}
	s.Blocks, s.Vocab = 2, 1000
	return s
}

// TestBuild makes the same model in memory and as a file, and looks at its
// logits.
func TestBuild(t *testing.T) {
	for _, untied := range []bool{false, true} {
		s := small(t, "q4_k_m")
		s.Untied = untied
		path := filepath.Join(t.TempDir(), "x.gguf")
		var last int64
		if err := Write(t.Context(), path, s, func(done, total int64) { last = done }); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := s.Size(); err != nil || size != int64(len(b)) || last == 0 {
			t.Errorf("Size is %d, %v, the file has %d bytes", size, err, len(b))
		}
		f, err := Build(s)
		if err != nil {
			t.Fatal(err)
		}
		g, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for i := range f.Tensors {
			if !bytes.Equal(f.Tensors[i].Data, g.Tensors[i].Data) {
				t.Errorf("tensor %s differs between memory and file", f.Tensors[i].Name)
			}
		}
		m, err := model.Load(context.Background(), f, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Tied == untied {
			t.Errorf("tied: %v", m.Tied)
		}
		kv, err := m.NewKV(64)
		if err != nil {
			t.Fatal(err)
		}
		seq := []model.Seq{{KV: kv, Tokens: []int32{1, 2, 3, 400, 500}, Want: model.WantLast}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, v := range seq[0].Logits {
			sum += float64(v) * float64(v)
		}
		if std := math.Sqrt(sum / float64(m.Vocab)); !(std > 0.5 && std < 20) {
			t.Errorf("logits have the size %g, want a few units", std)
		}
		m.Close()
	}
}

func TestParseSpec(t *testing.T) {
	for _, bad := range [][2]string{{"7b", "q4_0"}, {"0.5b", "q4"}} {
		if _, err := ParseSpec(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	// The sizes of real files (see tensor-types.txt), but for the vocabulary.
	for size, want := range map[string]int64{"0.5b": 352154400, "1.5b": 934954464} {
		s, err := ParseSpec(size, "q4_0")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Size(); err != nil || math.Abs(float64(got-want)) > 4e6 {
			t.Errorf("%s q4_0 has %d bytes, %v; want about %d", size, got, err, want)
		}
	}
}

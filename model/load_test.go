package model

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"qgo/gguf"
	"qgo/testdata"
)

// quantised opens a model whose weights every vector tier lays out anew.
func quantised(t *testing.T) *gguf.File {
	t.Helper()
	f, err := gguf.Open(testdata.Path(t, "godoc-tiny", "godoc-tiny-q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLoadProgress wants the bytes to rise to their total.
func TestLoadProgress(t *testing.T) {
	var all []int64
	last := int64(0)
	m, err := Load(context.Background(), quantised(t), Options{Context: 64, Progress: func(done, total int64) {
		all, last = append(all, done), total
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !m.Repacked() {
		if len(all) > 0 {
			t.Errorf("nothing is laid out, and progress is %d", all)
		}
		return
	}
	if len(all) < 2 || !slices.IsSorted(all) || all[len(all)-1] != last || last != weightBytes(m.plan) {
		t.Errorf("progress %d of %d", all, last)
	}
}

// TestLoadStops ends loads before their begin and in their midst, and wants
// neither goroutines nor memory to stay.
func TestLoadStops(t *testing.T) {
	f := quantised(t)
	m, err := Load(context.Background(), f, Options{Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	arena := m.memory(m.plan).Weights
	goroutines, size := runtime.NumGoroutine()-m.Threads()+1, addressSpace()
	const times = 60
	for i := range times {
		ctx, cancel := context.WithCancel(context.Background())
		o := Options{Context: 64, Progress: func(done, total int64) { cancel() }}
		if i == 0 || !m.Repacked() {
			cancel()
		}
		if loaded, err := Load(ctx, f, o); !errors.Is(err, context.Canceled) {
			if err == nil {
				loaded.pool.Close()
			}
			t.Fatalf("load %d: %v, want %v", i, err, context.Canceled)
		}
		cancel()
	}
	if grown := addressSpace() - size; arena > 0 && grown > times*arena/2 {
		t.Errorf("%d loads that were stopped left %d bytes, each has %d of weights", times, grown, arena)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// addressSpace is the size of the process's address space, 0 if the system does
// not say.
func addressSpace() int64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	field, _, _ := bytes.Cut(statm, []byte(" "))
	pages, _ := strconv.ParseInt(string(field), 10, 64)
	return pages * int64(os.Getpagesize())
}

// TestForwardProgress wants progress within a batch, and a batch that is stopped
// there to leave the sequence as it was.
func TestForwardProgress(t *testing.T) {
	ids := text(t, 200)
	m := tiny(t, Options{Context: 256, MaxRows: 150, Threads: 1}) // one, which then does every part itself
	want := slices.Clone(logits(t, m, ids, WantLast))
	kv := newKV(t, m, 256)
	seq := []Seq{{KV: kv, Tokens: ids[:20]}}
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	seq[0].Tokens, seq[0].Want = ids[20:], WantLast
	for _, stopAt := range []int{1, 75, 149, 160} {
		ctx, cancel := context.WithCancel(context.Background())
		seen := 0
		m.Progress = func(done int) {
			if seen = done; done >= stopAt {
				cancel()
			}
		}
		if err := m.Forward(ctx, seq); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at %d: %v", stopAt, err)
		}
		cancel()
		if seen < stopAt || seen >= 180 || kv.Len() != 20 {
			t.Errorf("stopped at %d: %d of 180 tokens were done, and the sequence has %d", stopAt, seen, kv.Len())
		}
	}
	var all []int
	m.Progress = func(done int) { all = append(all, done) }
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	m.Progress = nil
	if !slices.IsSorted(all) || all[len(all)-1] != 180 || !slices.Contains(all, 150) {
		t.Errorf("progress %d", all)
	}
	if within := len(slices.Compact(all)); within < m.Blocks {
		t.Errorf("%d steps in %d blocks: %d", within, m.Blocks, all)
	}
	if kl, _ := divergence(t, seq[0].Logits, want, m.Vocab); !(kl < 1e-6) {
		t.Errorf("the logits diverge by %.2g after batches that were stopped", kl)
	}
}

// TestReadingProgress wants a session to count from nothing to all tokens that
// are not there yet.
func TestReadingProgress(t *testing.T) {
	ids := text(t, 100)
	m := tiny(t, Options{Context: 128, MaxRows: 64, Threads: 1})
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct{ prompt, total int }{{40, 40}, {100, 60}} {
		var all []int
		g := Generation{MaxTokens: 1, Progress: func(done, total int) {
			if all = append(all, done); total != c.total {
				t.Errorf("%d of %d tokens, want %d", done, total, c.total)
			}
		}}
		for _, err := range s.Generate(context.Background(), ids[:c.prompt], g) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.IsSorted(all) || all[0] != 0 || all[len(all)-1] != c.total || len(slices.Compact(all)) < m.Blocks {
			t.Errorf("progress to %d is %d", c.total, all)
		}
	}
	if m.Progress != nil {
		t.Error("the model goes on reporting")
	}
}

package model

import (
	"errors"
	"math"
	"strings"
	"testing"

	"qgo/kernels/cpu"
	"qgo/kernels/plan"
	"qgo/model/demo"
	"qgo/quant"
	"qgo/tensor"
)

// memoryOf surveys the embedded model for a context.
func memoryOf(t *testing.T, context int) Memory {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	_, m, _, err := Survey(f, Options{Context: context, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMemoryLimit wants the largest context that is named to fit, and the next
// one not to.
func TestMemoryLimit(t *testing.T) {
	room := tensor.Limit{Bytes: 64 << 20, Source: tensor.SourceAddresses}
	if err := memoryOf(t, 4096).check(room); err != nil {
		t.Errorf("a context of 4096: %v", err)
	}
	for _, context := range []int{1 << 20, 1 << 24, 1 << 31, 1 << 62, math.MaxInt} {
		need := memoryOf(t, context)
		if need.Total() < need.KV {
			t.Errorf("a context of %d: the sum is %d, keys and values are %d", context, need.Total(), need.KV)
		}
		var e *MemoryError
		if !errors.As(need.check(room), &e) {
			t.Fatalf("a context of %d: %v", context, need.check(room))
		}
		if e.Context != context || e.Need <= room.Bytes || e.Limit != room || e.Largest <= 4096 {
			t.Errorf("a context of %d: %+v", context, e)
		}
		if err := memoryOf(t, e.Largest).check(room); err != nil {
			t.Errorf("a context of %d, which was said to fit: %v", e.Largest, err)
		}
		if err := memoryOf(t, e.Largest+contextStep).check(room); err == nil {
			t.Errorf("a context of %d fits, and %d was said to be the largest", e.Largest+contextStep, e.Largest)
		}
	}
}

// TestMemoryError wants both numbers, what limits, and what would fit.
func TestMemoryError(t *testing.T) {
	const gb = 1e9
	for _, c := range []struct {
		e    MemoryError
		want string
	}{
		{MemoryError{16e6, 197 * gb, tensor.Limit{Bytes: 25 * gb, Source: tensor.SourceFree}, 1996800},
			"a context of 16000000 tokens needs 197 GB of memory, and 25 GB are available (free memory): choose a context of at most 1996800"},
		{MemoryError{1 << 62, math.MaxInt64, tensor.Limit{Bytes: 25 * gb, Source: tensor.SourceContainer}, 256},
			"a context of 4611686018427387904 tokens needs more than 9.2 EB of memory, and 25 GB are available (the container's limit): choose a context of at most 256"},
		{MemoryError{4096, 2 * gb, tensor.Limit{Bytes: gb, Source: tensor.SourceAddresses}, 0},
			"the model needs 2.0 GB of memory with a context of 4096 tokens, and 1.0 GB are available (ulimit -v): choose a smaller model, or make room"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestFileExceedsMemory wants a warning of weights that are left in a file larger
// than the memory, which is possible, but slow.
func TestFileExceedsMemory(t *testing.T) {
	m := Memory{File: 5e9, KV: 1e8, Scratch: 1e7, Vocabulary: 1e7}
	for _, c := range []struct {
		weights int64
		limit   tensor.Limit
		want    bool
	}{
		{0, tensor.Limit{Bytes: 4e9, Source: tensor.SourceFree}, true},
		{0, tensor.Limit{Bytes: 4e9, Source: tensor.SourceContainer}, true},
		{0, tensor.Limit{Bytes: 6e9, Source: tensor.SourceFree}, false},
		{0, tensor.Limit{Bytes: 4e9, Source: tensor.SourceAddresses}, false},
		{3e9, tensor.Limit{Bytes: 4e9, Source: tensor.SourceFree}, false},
	} {
		if m.Weights = c.weights; m.exceeds(c.limit) != c.want {
			t.Errorf("%d bytes of weights laid out, %+v: %v", c.weights, c.limit, !c.want)
		}
		if err := m.check(c.limit); err != nil {
			t.Errorf("%+v: %v", c.limit, err)
		}
	}
}

// TestHugeContext loads with contexts that no machine has memory for: an error,
// before anything is allocated.
func TestHugeContext(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, known := tensor.Memory()
	for _, context := range []int{1 << 31, 1 << 62, math.MaxInt} {
		_, err := Load(t.Context(), f, Options{Context: context})
		var memory *MemoryError
		var option *OptionError
		if known != errors.As(err, &memory) || !known && !errors.As(err, &option) {
			t.Errorf("a context of %d: %v", context, err)
		}
	}
	if _, err := Place(f, Options{Context: 1 << 62}); err == nil {
		t.Error("a place for a context of 2^62")
	}
	if _, err := Load(t.Context(), f, Options{Context: -1}); err == nil || !strings.Contains(err.Error(), "a context of -1: choose 1 to 16777216") {
		t.Errorf("a context of -1: %v", err)
	}
}

func TestKVBytes(t *testing.T) {
	d := plan.Dims{KVHeads: 2, HeadDim: 64}
	for ctx, want := range map[int]int64{
		1: 2 * 24 * 2 * 16 * 128, 16: 2 * 24 * 2 * 16 * 128, 4096: 2 * 24 * 2 * 4096 * 128,
		1 << 31: 2 * 24 * 2 * 128 << 31, 1 << 62: math.MaxInt64, math.MaxInt: math.MaxInt64,
	} {
		if got := cpu.KVBytes(d, 24, ctx, quant.F16); got != want {
			t.Errorf("%d positions: %d bytes, want %d", ctx, got, want)
		}
	}
}

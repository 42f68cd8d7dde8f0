package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"qgo/model"
	"qgo/model/demo"
)

// TestPerplexityProgress wants progress over all windows and within them, and an
// end when the context ends.
func TestPerplexityProgress(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids := m.Tokenizer.Encode(nil, strings.Repeat("ToUpper returns s with all letters in upper case. ", 20), false)
	var all []int
	if _, err := watchPerplexity(context.Background(), m, ids, func(done, total int) {
		if all = append(all, done); total != len(ids) {
			t.Errorf("%d of %d tokens, want %d", done, total, len(ids))
		}
	}); err != nil {
		t.Fatal(err)
	}
	// The last token of a window is predicted, but not read.
	windows := (len(ids) + 63) / 64
	if !slices.IsSorted(all) || all[0] != 0 || all[len(all)-1] < len(ids)-2 || len(slices.Compact(all)) < windows*m.Blocks {
		t.Errorf("progress of %d tokens: %d", len(ids), all)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := 0
	_, err = watchPerplexity(ctx, m, ids, func(done, _ int) {
		if last = done; done > 100 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last >= 128 {
		t.Errorf("ended after %d tokens: %v", last, err)
	}
}

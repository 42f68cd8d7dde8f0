package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/bench/format"
)

// TestBenchBoard measures the built-in model and wants results that hold together,
// a page, and nothing else.
func TestBenchBoard(t *testing.T) {
	dir := t.TempDir()
	out := succeed(t, "", "bench", "board", "--model", demoFile, "--minutes", "0", "--dir", dir, "--device", "cpu")
	if !strings.Contains(out, "On the CPU:") || !strings.Contains(out, "tg128 @ d2048") {
		t.Errorf("it says:\n%s", out)
	}
	r, err := format.ReadFile(filepath.Join(dir, "board-cpu.json"))
	if err != nil {
		t.Fatal(err)
	}
	if faults := r.Verify(); len(r.Results) != len(boardTests) || len(faults) != 0 {
		t.Errorf("%d results, faults %q", len(r.Results), faults)
	}
	for i, res := range r.Results {
		if res.Test() != boardTests[i] || len(res.Reps) != boardReps || res.Load == nil {
			t.Errorf("result %d: %+v, %d repetitions", i, res.Test(), len(res.Reps))
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("files %q, %v", left, err)
	}
	for want, args := range map[string][]string{
		"--minutes is -1: choose 0 to":                 {"--minutes", "-1"},
		"cannot be written: no such file or directory": {"--dir", filepath.Join(dir, "none")},
		"--device is \"tpu\"":                          {"--device", "tpu"},
	} {
		if code, _, errOut := qgo("", append([]string{"bench", "board"}, args...)...); code == 0 || !strings.Contains(errOut, want) {
			t.Errorf("board %q: exit %d, %q, want %q", args, code, errOut, want)
		}
	}
}

// TestBoardModel ends the making of a model, of which nothing is left.
func TestBoardModel(t *testing.T) {
	b := boardFlags{dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := newRoot()
	root.SetOut(&strings.Builder{})
	root.SetContext(ctx)
	if path, _, err := b.make(root, "qwen2.5-0.5b:q2_k"); !errors.Is(err, context.Canceled) {
		t.Errorf("%s, %v", path, err)
	}
	if left, err := os.ReadDir(b.dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, _, err := b.make(root, "qwen9-1b:q4_0"); err == nil || !strings.Contains(err.Error(), "its shape is not known") {
		t.Errorf("of an unknown name: %v", err)
	}
}

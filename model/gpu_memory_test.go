package model

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"qgo/kernels/cuda"
	"qgo/model/synth"
)

// nanoMemory is what a Jetson Nano of 2 GB has for programs, about, if it runs
// no desktop.
const nanoMemory = 1_700_000_000

// TestGPUMemory states what fits into a Jetson Nano's memory, and that
// docs/cuda.md has these figures.
func TestGPUMemory(t *testing.T) {
	doc, err := os.ReadFile("../docs/cuda.md")
	if err != nil {
		t.Fatal(err)
	}
	dev := new(cuda.Device) // what a plan takes is the same on all
	room := int64(nanoMemory - reserveShared)
	for _, size := range []string{"0.5b", "1.5b", "3b"} {
		for _, mix := range []string{"q2_k", "q4_0", "q4_k_m", "q5_k_m", "q6_k", "q8_0", "f16"} {
			m := outlined(t, size, mix, Options{Context: 2048})
			text := fmt.Sprint(m.plan.Layers())
			if n := m.gpuPlan().fitIn(dev, room, AllLayers); n < m.plan.Layers() {
				text = fmt.Sprintf("%d of %d", n, m.plan.Layers())
			}
			row := fmt.Sprintf("| %s %s | %d | %d | %s |", size, mix, m.File.Size()/1e6, m.gpuPlan().bytes(dev, m.plan.Layers())/1e6, text)
			t.Log(row)
			if !strings.Contains(string(doc), row+"\n") {
				t.Errorf("docs/cuda.md lacks the row %s", row)
			}
		}
	}
}

// outlined returns a model of Qwen2.5's shape without weights, as far as its
// memory on a GPU depends on it; head and embedding are two tensors, as in the
// published files.
func outlined(t *testing.T, size, mix string, o Options) *Model {
	t.Helper()
	spec, err := synth.ParseSpec(size, mix)
	if err != nil {
		t.Fatal(err)
	}
	spec.Untied = true
	f, err := spec.Outline()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	set, err := o.settings(c)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(f, c)
	if err != nil {
		t.Fatal(err)
	}
	// That two tensors are one shows in their data, of which there is none.
	p.Embedding.Data, p.Head.W.Data = []byte{0}, []byte{0}
	return &Model{Config: *c, File: f, plan: p, maxRows: set.maxRows, maxCtx: set.context, kvType: set.kv, tier: set.tier}
}

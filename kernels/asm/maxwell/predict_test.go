package main

import (
	"math"
	"strings"
	"testing"
)

const model = `{"model": "m", "cost": {"KVRow": 0, "KVMACs": 0}, "fit": {"need_bytes": 2e9, "available_bytes": 1.73e9}, "parts": [
	{"name": "attn_norm.weight", "type": "F32", "tensors": 2, "weights": 2048, "read": 8192},
	{"name": "attn_q.weight", "type": "Q4_0", "tensors": 2, "weights": 2097152, "read": 1179648},
	{"name": "ffn_up.weight", "type": "Q4_0", "tensors": 2, "weights": 8388608, "read": 4718592},
	{"name": "ffn_down.weight", "type": "Q4_0", "tensors": 2, "weights": 8388608, "read": 4718592},
	{"name": "token_embd.weight", "type": "Q4_0", "tensors": 1, "weights": 8388608, "read": 576, "one_row_only": true}]}`

func TestMatrices(t *testing.T) {
	s := &survey{Parts: []part{
		{Name: "attn_norm.weight", Tensors: 2, Weights: 2048}, {Name: "attn_q.bias", Tensors: 2, Weights: 2048},
		{Name: "ffn_up.weight", Tensors: 2, Weights: 8 << 20}, {Name: "ffn_down.weight", Tensors: 2, Weights: 8 << 20},
		{Name: "token_embd.weight", Tensors: 1, Weights: 8 << 20, One: true},
	}}
	list, layers := s.matrices()
	if layers != 2 || len(list) != 2 || list[0].rows != 4096 || list[0].cols != 1024 || list[1].rows != 1024 || list[1].cols != 4096 {
		t.Errorf("%g layers, %+v", layers, list)
	}
}

// TestDecodeTime takes the longer of memory and instructions for each matrix.
func TestDecodeTime(t *testing.T) {
	m := matrix{part: part{Type: "Q4_0", Tensors: 1, Read: 25.6e6}, rows: 1024, cols: 1024}
	p := &predictor{work: map[string]work{"matvec1_Q4_0": {loop: counts{weighted: 100}, once: counts{weighted: 28}}}}
	if time, memory := p.decode(m); time != memory || memory != 1e-3 {
		t.Errorf("bound by memory: %g s, %g s", time, memory)
	}
	// 64 blocks of 128 threads, 128 operations in each.
	m.Read = 0
	if time, _ := p.decode(m); math.Abs(time-64*128*128/128/clock) > 1e-12 {
		t.Errorf("bound by instructions: %g s", time)
	}
}

// TestPrefillTime fills tiles up.
func TestPrefillTime(t *testing.T) {
	m := matrix{part: part{Type: "Q4_0", Tensors: 1}, rows: 128, cols: 64}
	w := work{loop: counts{weighted: 60}, once: counts{weighted: 8}}
	p := &predictor{work: map[string]work{"gemm16_Q4_0": w, "gemm32_Q4_0": w, "gemm64_Q4_0": w}}
	for n, blocks := range map[float64]float64{9: 2, 32: 2, 33: 2, 64: 2, 65: 4, 512: 16} {
		if got, want := p.prefill(m, n), blocks*64*128/128/clock; math.Abs(got-want) > 1e-12 {
			t.Errorf("%g rows: %g s, want %g", n, got, want)
		}
	}
	if tilingOf(16).tile != 16 || tilingOf(17).tile != 32 || tilingOf(500).tile != 64 {
		t.Error("tiles", tilingOf(16), tilingOf(17), tilingOf(500))
	}
}

func TestPredict(t *testing.T) {
	w := work{loop: counts{weighted: 100}}
	p := &predictor{work: map[string]work{"matvec1_Q4_0": w, "gemm16_Q4_0": w, "gemm32_Q4_0": w, "gemm64_Q4_0": w}}
	var out strings.Builder
	if err := p.print(&out, strings.NewReader(model)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PREDICTION, not measured", "2.00 of 1.73: does not fit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	for text, want := range map[string]string{
		"{": "not the output of qgo roofline",
		strings.Replace(model, `"attn_q.weight", "type": "Q4_0"`, `"attn_q.weight", "type": "Q9_0"`, 1): "attn_q.weight is of type Q9_0",
	} {
		if err := p.print(&out, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/model/demo"
	"qgo/quant"
	"qgo/quant/codec"
)

// oddFile writes the embedded model's file with changes.
func oddFile(t *testing.T, edits ...gguftest.Edit) string {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	return gguftest.Write(t, f, edits...)
}

// asF16 makes its weights ones that can be quantised.
func asF16(_ testing.TB, h *gguf.Header) {
	for i := range h.Tensors {
		x := &h.Tensors[i]
		if !x.Type.Integer() {
			continue
		}
		w := make([]float32, x.Elements())
		codec.Dequantize(x.Type, w, x.Data)
		x.Type, x.Data = quant.F16, make([]byte, 2*len(w))
		codec.Quantize(quant.F16, x.Data, w)
	}
}

// TestOddFiles chats with files that say in other ways what the embedded
// model's says: they answer as it does, and verify says what is odd.
func TestOddFiles(t *testing.T) {
	const question, answer = "What does strings.ToUpper do?", "ToUpper returns s with all Unicode letters mapped to their upper case.\n"
	for _, c := range []struct {
		note string
		edit gguftest.Edit
	}{
		{"", gguftest.Set("tokenizer.ggml.pre", "deepseek-r1-qwen")},
		{"does not say how text is split", gguftest.Set("tokenizer.ggml.pre", "default")},
		{"bos_token_id is 4294967295, which is no token", gguftest.Set("tokenizer.ggml.bos_token_id", uint32(math.MaxUint32))},
		{"bos_token_id is -1, which is no token", gguftest.Set("tokenizer.ggml.bos_token_id", int32(-1))},
		{"3 marks such as", gguftest.Drop("tokenizer.ggml.token_type")},
		{"tensor blk.0.extra: nothing is computed with it", gguftest.Add(gguf.Tensor{Name: "blk.0.extra", Type: quant.F32, Dims: []int{4}, Data: make([]byte, 16)})},
		{"head_count_kv states a number for each block: it is 2 in all", gguftest.Set("qwen2.attention.head_count_kv", []uint32{2, 2, 2, 2, 2, 2})},
	} {
		path := oddFile(t, c.edit)
		if got := succeed(t, "", "chat", "--model", path, "-p", question, "--temp", "0"); got != answer {
			t.Errorf("%s: answer %q, want %q", c.note, got, answer)
		}
		for _, command := range []string{"verify", "inspect"} {
			out := succeed(t, "", command, path)
			if strings.Contains(out, "\nnote ") != (c.note != "") || !strings.Contains(out, c.note) {
				t.Errorf("%s says %s, want a note with %q", command, out, c.note)
			}
		}
	}
}

// TestAddBOS wants the token once before every text.
func TestAddBOS(t *testing.T) {
	path := oddFile(t, gguftest.Set("tokenizer.ggml.add_bos_token", true), gguftest.Set("tokenizer.ggml.bos_token_id", uint32(8189)))
	ids := func(args ...string) (list []int32) {
		if err := json.Unmarshal([]byte(succeed(t, "Hello", append([]string{"tokenize"}, args...)...)), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got, want := ids("--model", path), append([]int32{8189}, ids()...); !slices.Equal(got, want) {
		t.Errorf("ids %v, want %v", got, want)
	}
	if out := succeed(t, "", "inspect", path); !strings.Contains(out, "which is put before each, and end with <|im_end|>") {
		t.Errorf("inspect says %s", out)
	}
}

// TestVerifyTypes makes files of every type of trained weights: sound ones are
// called sound, and damaged ones damaged.
func TestVerifyTypes(t *testing.T) {
	in := oddFile(t, asF16)
	for _, mix := range quant.Mixes() {
		if testing.Short() && mix.Name != "q2_k" {
			continue
		}
		path := filepath.Join(t.TempDir(), mix.Name+".gguf")
		succeed(t, "", "quantize", in, path, mix.Name)
		if out := succeed(t, "", "verify", path); !strings.Contains(out, "weights     ok") {
			t.Errorf("%s: %s", mix.Name, out)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Parse(path, b)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := f.Tensor("blk.2.attn_output.weight")
		copy(b[x.Offset+1:], bytes.Clone(x.Data[:len(x.Data)-1])) // as if a byte had been lost
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errOut := qgo("", "verify", path); code != exitBadInput || !strings.Contains(errOut, "blk.2.attn_output.weight") || !strings.Contains(errOut, "damaged") {
			t.Errorf("%s, damaged: exit %d, %s", mix.Name, code, errOut)
		}
	}
}

// TestHostileFile shows a file whose texts a terminal would obey, or that are
// long.
func TestHostileFile(t *testing.T) {
	const esc = "\x1b[2J\u202e"
	long := esc + strings.Repeat("x", 1<<20)
	path := oddFile(t,
		gguftest.Set("general.name", long), gguftest.Set(esc+strings.Repeat("k", 1<<15), long), gguftest.Set("tokenizer.chat_template", long),
		gguftest.Add(gguf.Tensor{Name: esc, Type: quant.F32, Dims: []int{4}, Data: make([]byte, 16)}),
		gguftest.Set("not.a.number", float32(math.NaN())),
	)
	spoiled := oddFile(t, gguftest.Set("general.architecture", long))
	for _, args := range [][]string{
		{"inspect", path, "--metadata", "--tensors"}, {"inspect", path, "-o", "json"}, {"verify", path}, {"verify", path, "-o", "json"},
		{"inspect", spoiled}, {"verify", spoiled}, {"quantize", spoiled, path + "2", "q4_0"}, {"quantize", path, path + "2", "q4_0"},
	} {
		_, out, errOut := qgo("", args...)
		for _, line := range strings.Split(out+errOut, "\n") {
			if strings.ContainsAny(line, "\x1b\u202e") || strings.Count(line, "x") > 64 || strings.Count(line, "k") > 64 {
				t.Errorf("qgo %q: %.500q", args, line)
			}
		}
		if out+errOut == "" {
			t.Errorf("qgo %q says nothing", args)
		}
	}
}

// TestTokenizeErrors reads what are no ids.
func TestTokenizeErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":           "expected numbers in brackets",
		"1, 2":       "expected numbers in brackets",
		"[1e99]":     "expected numbers in brackets",
		"[99999999]": "id 99999999 at place 0: the vocabulary has ids 0 to 8191",
	} {
		if code, _, errOut := qgo(in, "tokenize", "--ids"); code != exitBadInput || !strings.Contains(errOut, want) {
			t.Errorf("%q: exit %d, %s; want %q", in, code, errOut, want)
		}
	}
}

// TestQuantizeUnusable: what cannot be loaded is not quantised.
func TestQuantizeUnusable(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.gguf")
	path := oddFile(t, asF16, gguftest.Set("qwen2.block_count", uint32(1<<24)))
	code, _, errOut := qgo("", "quantize", path, out, "q8_0")
	if _, err := os.Stat(out); code != 1 || !strings.Contains(errOut, "blk.6.") || err == nil {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/testdata"
)

// qgo runs the program.
func qgo(stdin string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

// succeed runs the program, which must succeed, and returns its output.
func succeed(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, out, errOut := qgo(stdin, args...)
	if code != 0 {
		t.Fatalf("qgo %q: exit %d, %s", args, code, errOut)
	}
	return out
}

func TestChat(t *testing.T) {
	const answer = "ToUpper returns s with all Unicode letters mapped to their upper case.\n"
	if got := succeed(t, "", "chat", "-p", "What does strings.ToUpper do?", "--temp", "0"); got != answer {
		t.Errorf("answer %q, want %q", got, answer)
	}
	if got := succeed(t, "What does strings.ToUpper do?", "chat", "--temp", "0"); got != answer {
		t.Errorf("from the standard input: %q, want %q", got, answer)
	}
	var reply map[string]any
	if err := json.Unmarshal([]byte(succeed(t, "", "chat", "-p", "Hello", "-n", "4", "-o", "json")), &reply); err != nil {
		t.Error(err)
	}
}

func TestTokenize(t *testing.T) {
	const text = "Hello,  wörld\r\n<|im_end|> 42"
	ids := succeed(t, text, "tokenize")
	if got := succeed(t, ids, "tokenize", "--ids"); got != text {
		t.Errorf("there and back: %q, want %q", got, text)
	}
	var plain, special []int32
	for args, list := range map[string]*[]int32{"tokenize": &plain, "tokenize --special": &special} {
		if err := json.Unmarshal([]byte(succeed(t, text, strings.Fields(args)...)), list); err != nil {
			t.Fatal(err)
		}
	}
	if len(special) >= len(plain) {
		t.Errorf("%d tokens with --special, %d without", len(special), len(plain))
	}
}

func TestLogitsAndPerplexity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logits.f32")
	succeed(t, "", "logits", "--tokens", "1,2,3", "--all", "--out", file)
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "ids.json")
	if err := os.WriteFile(list, []byte("[1, 2, 3]"), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, "", "logits", "--tokens", "@"+list, "--out", file)
	last, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3*len(last) || !bytes.Equal(all[2*len(last):], last) {
		t.Errorf("%d bytes of all logits do not end in the %d of the last", len(all), len(last))
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("ToUpper returns s with all Unicode letters mapped to their upper case."), 0o600); err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(succeed(t, "", "perplexity", text, "-o", "json")), &r); err != nil {
		t.Fatal(err)
	}
	// Exact arithmetic gives 4.728 nats.
	if nll, ok := r["nll"].(float64); !ok || math.Abs(nll-4.728) > 0.1 || r["predicted_tokens"] != 12.0 {
		t.Errorf("likelihood %v, want 4.728 over 12 tokens", r)
	}
}

func TestInspect(t *testing.T) {
	path := testdata.Path(t, "wide128", "wide128-q4_0.gguf")
	var r report
	if err := json.Unmarshal([]byte(succeed(t, "", "inspect", path, "-o", "json", "--ctx", "100")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Config == nil || r.Config.HeadDim != 128 || r.Context != 100 || r.Memory.Total() < r.Bytes {
		t.Errorf("report %+v", r)
	}
	if out := succeed(t, "", "inspect", path, "--tensors", "--metadata"); !strings.Contains(out, "blk.0.attn_q.weight") || !strings.Contains(out, "general.architecture") {
		t.Errorf("output %s", out)
	}
}

func TestSynthAndBench(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a large file")
	}
	file := filepath.Join(t.TempDir(), "model.gguf")
	succeed(t, "", "synth", "0.5b", "q2_k", "--out", file)
	var r map[string]any
	if err := json.Unmarshal([]byte(succeed(t, "", "bench", "--model", file, "--prefill", "4", "--decode", "2", "-r", "1", "-o", "json")), &r); err != nil {
		t.Fatal(err)
	}
}

// TestErrors checks that every mistake gets its exit code and one line that
// says what is wrong.
func TestErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string // in the error
		args []string
	}{
		{2, "expected", []string{"synth", "0.5b"}},
		{2, "choose", []string{"synth", "7b", "q4_0", "--out", bad}},
		{2, "choose", []string{"synth", "0.5b", "q9", "--out", bad}},
		{2, "three arguments", []string{"quantize", bad}},
		{2, "choose", []string{"quantize", bad, bad + "2", "q9"}},
		{1, "bad.gguf", []string{"quantize", bad, bad + "2", "q4_0"}},
		{1, "no such file", []string{"chat", "--model", "/none.gguf", "-p", "x"}},
		{1, "bad.gguf", []string{"inspect", bad}},
		{2, "threads", []string{"chat", "-p", "x", "--threads", "-1"}},
		{2, "--ctx is -5", []string{"chat", "-p", "x", "--ctx", "-5"}},
		{1, "context", []string{"chat", "-p", strings.Repeat("word ", 500), "--ctx", "64"}},
		{2, "--temp is -1", []string{"chat", "-p", "x", "--temp", "-1"}},
		{2, "--tier is", []string{"chat", "-p", "x", "--tier", "mmx"}},
		{2, "exact arithmetic is not fast", []string{"logits", "--tokens", "1", "--exact", "--fast", "--out", filepath.Join(t.TempDir(), "x")}},
		{1, "vocabulary", []string{"logits", "--tokens", "99999999", "--out", filepath.Join(t.TempDir(), "x")}},
	} {
		code, out, errOut := qgo("", c.args...)
		if code != c.code || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("qgo %q: exit %d, out %q, error %q; want exit %d and an error with %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}

// TestHelp demands an example in the help of every command.
func TestHelp(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.Name())
		}
		if out := succeed(t, "", cmd.Name(), "--help"); !strings.Contains(out, "Examples:") {
			t.Errorf("help of %s:\n%s", cmd.Name(), out)
		}
	}
}

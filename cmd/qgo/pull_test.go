package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qgo/gguf"
	"qgo/model/demo"
	"qgo/model/synth"
)

// demoBytes returns the bytes of the built-in model as a file.
func demoBytes(t *testing.T) []byte {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := gguf.NewWriter(&b, gguf.Header{Meta: f.Meta, Tensors: f.Tensors})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Tensors {
		if err := w.WriteTensor(x.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPull pulls the built-in model under a published name from a hub of its
// own, and uses it in every way.
func TestPull(t *testing.T) {
	data := demoBytes(t)
	sum := sha256.Sum256(data)
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			json.NewEncoder(w).Encode([]map[string]any{{"type": "file", "path": "qwen2.5-0.5b-instruct-q8_0.gguf",
				"lfs": map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(data)}}})
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer hub.Close()
	dir := t.TempDir()
	t.Setenv("HF_ENDPOINT", hub.URL+"/")
	t.Setenv("QGO_MODELS", dir)
	const name = "qwen2.5-0.5b:q8_0"
	code, _, errOut := qgo("", "chat", "-m", name, "-p", "x")
	if code != exitBadInput || !strings.Contains(errOut, "qgo pull "+name) {
		t.Errorf("a model that is not there: exit %d, %s", code, errOut)
	}
	if out := succeed(t, "", "pull", name); !strings.Contains(out, "qgo chat --model "+name) {
		t.Errorf("pull: %s", out)
	}
	if out := succeed(t, "", "list"); !strings.Contains(out, name) || strings.Contains(out, "rest") {
		t.Errorf("list: %s", out)
	}
	for _, m := range []string{name, "qwen2.5-0.5b-instruct-q8_0", filepath.Join(dir, "qwen2.5-0.5b-instruct-q8_0.gguf")} {
		if out := succeed(t, "", "chat", "-m", m, "-p", "What does strings.ToUpper do?"); !strings.Contains(out, "upper case") {
			t.Errorf("chat with %s: %s", m, out)
		}
	}
	if out := succeed(t, "", "verify", name); !strings.Contains(out, "hash        ok") || !strings.Contains(out, "likelihood") {
		t.Errorf("verify: %s", out)
	}
	path := filepath.Join(dir, "qwen2.5-0.5b-instruct-q8_0.gguf")
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := qgo("", "verify", name); code != exitBadInput || !strings.Contains(errOut, "changed since") {
		t.Errorf("a changed file: exit %d, %s", code, errOut)
	}
	succeed(t, "", "rm", name)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.gguf*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if code, _, errOut := qgo("", "rm", name); code != exitBadInput || !strings.Contains(errOut, "qgo pull") {
		t.Errorf("removing twice: exit %d, %s", code, errOut)
	}
	if code, _, errOut := qgo("", "pull", "qwen2.5-0.5b:q4_0"); code != exitBadInput || !strings.Contains(errOut, "has no file") {
		t.Errorf("a file that is not published: exit %d, %s", code, errOut)
	}
}

// TestVerify wants random weights to be found out.
func TestVerify(t *testing.T) {
	if out := succeed(t, "", "verify"); !strings.Contains(out, "likelihood") {
		t.Errorf("the built-in model: %s", out)
	}
	spec, err := synth.ParseSpec("0.5b", "q8_0")
	if err != nil {
		t.Fatal(err)
	}
	spec.Width, spec.FFN, spec.Blocks, spec.Vocab = 224, 512, 2, 1000
	path := filepath.Join(t.TempDir(), "random.gguf")
	if err := synth.Write(t.Context(), path, spec, nil); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := qgo("", "verify", path); code != exitBadInput || !strings.Contains(errOut, "no better than chance") {
		t.Errorf("random weights: exit %d, %s", code, errOut)
	}
}

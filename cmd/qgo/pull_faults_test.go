package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPullSecrets shows neither the password nor the query of an address.
func TestPullSecrets(t *testing.T) {
	url, cache := hubOf(t, demoBytes(t))
	name := url + "/x/y.gguf"
	arg := strings.Replace(name, "://", "://me:geheim@", 1) + "?sig=SECRET"
	for _, args := range [][]string{
		{"pull", arg}, {"pull", arg, "-o", "json"}, {"list"}, {"list", "-o", "json"},
		{"rm", arg, "-o", "json"}, {"rm", arg}, {"chat", "-m", arg, "-p", "x"},
		{"pull", strings.Replace(arg, "y.gguf", "none", 1)}, {"pull", "x" + arg}, {"pull", strings.Replace(arg, "@", "@%zz", 1)},
	} {
		code, out, errOut := qgo("", args...)
		if text := out + errOut; strings.Contains(text, "geheim") || strings.Contains(text, "SECRET") {
			t.Errorf("%q: exit %d, %s", args, code, text)
		}
		if args[0] == "list" && !strings.Contains(out, name) {
			t.Errorf("%q: %s", args, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestPullUsage is about arguments for which nothing is asked.
func TestPullUsage(t *testing.T) {
	hubOf(t, nil)
	t.Setenv("HF_ENDPOINT", "http://[::1") // is an error when it is used
	file := filepath.Join(t.TempDir(), "F.gguf")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		file:                            "is a file on this machine, which can be used as it is: --model " + file,
		file + "x":                      "there is no model",
		"http://127.0.0.1:99999/m.gguf": "has the port 99999; ports are 1 to 65535",
		"hf.co/t/ok:q4_0:x":             "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok/resolve/../m.gguf":  "expected hf.co/USER/REPO:TYPE",
	} {
		code, _, errOut := qgo("", "pull", arg)
		if text := strings.Join(strings.Fields(errOut), " "); code != exitUsage || !strings.Contains(text, want) {
			t.Errorf("pull %s: exit %d, %q, want %q", arg, code, text, want)
		}
	}
	code, _, errOut := qgo("", "pull", "qwen2.5-0.5b")
	if want := `HF_ENDPOINT is "http://[::1"; expected`; code != exitBadInput || !strings.Contains(errOut, want) {
		t.Errorf("exit %d, %q, want %q", code, errOut, want)
	}
}

// TestModelNowhere says where a model was looked for.
func TestModelNowhere(t *testing.T) {
	_, cache := hubOf(t, nil)
	code, _, errOut := qgo("", "chat", "-m", "F.gguf", "-p", "x")
	if text, want := strings.Join(strings.Fields(errOut), " "), "F.gguf is neither a file in the current directory nor a model in "+cache+"; 'qgo list' shows what there is"; code != exitBadInput || !strings.Contains(text, want) {
		t.Errorf("exit %d, %q, want %q", code, text, want)
	}
	code, _, errOut = qgo("", "rm", "F.gguf")
	if text, want := strings.Join(strings.Fields(errOut), " "), "there is no model F.gguf in "+cache; code != exitBadInput || !strings.Contains(text, want) {
		t.Errorf("rm: exit %d, %q, want %q", code, text, want)
	}
}

// TestRemoveCompletion completes whole models and those of which something is
// missing.
func TestRemoveCompletion(t *testing.T) {
	_, cache := hubOf(t, nil)
	part := filepath.Join(cache, "qwen2.5-0.5b-instruct-q4_0.gguf.part")
	state, err := json.Marshal(map[string]any{"size": 3, "chunk": 3, "done": []int{1}})
	err = errors.Join(err, os.WriteFile(part, []byte("abc"), 0o600), os.WriteFile(part+".json", state, 0o600),
		os.WriteFile(filepath.Join(cache, "mine.gguf"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "", "__complete", "rm", ""); !strings.HasPrefix(out, "mine.gguf\nqwen2.5-0.5b:q4_0\n") {
		t.Errorf("completions:\n%s", out)
	}
	succeed(t, "", "rm", "qwen2.5-0.5b:q4_0")
	succeed(t, "", "rm", "mine.gguf")
	if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

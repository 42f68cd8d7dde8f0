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
	"sync/atomic"
	"testing"
	"time"
)

// hubOf starts a hub with one repository, USER/REPO, that has these files, and
// has the commands use it and a cache of their own.
func hubOf(t *testing.T, data []byte, names ...string) (url, cache string) {
	t.Helper()
	sum := sha256.Sum256(data)
	var list []map[string]any
	for _, name := range names {
		list = append(list, map[string]any{"type": "file", "path": name,
			"lfs": map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(data)}})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/models/USER/REPO/tree/main":
			_ = json.NewEncoder(w).Encode(list)
		case strings.HasSuffix(r.URL.Path, ".gguf"):
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	cache = t.TempDir()
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HF_TOKEN_PATH", filepath.Join(cache, "none"))
	t.Setenv("QGO_MODELS", cache)
	return server.URL, cache
}

// TestPullNames pulls from a repository and an address, and lists and removes
// by the same names.
func TestPullNames(t *testing.T) {
	url, cache := hubOf(t, demoBytes(t), "dir/Model-Q4_K_M.gguf", "Model-Q8_0-00001-of-00002.gguf", "Model-Q8_0-00002-of-00002.gguf")
	for arg, name := range map[string]string{
		"hf.co/USER/REPO:Q4_K_M":                                     "hf.co/USER/REPO:Q4_K_M",
		"https://huggingface.co/USER/REPO":                           "hf.co/USER/REPO",
		"huggingface.co/USER/REPO:q8_0":                              "hf.co/USER/REPO:q8_0",
		url + "/x/y.gguf":                                            url + "/x/y.gguf",
		"https://hf.co/USER/REPO/resolve/main/dir/Model-Q4_K_M.gguf": "https://hf.co/USER/REPO/resolve/main/dir/Model-Q4_K_M.gguf",
	} {
		if out := succeed(t, "", "pull", arg); !strings.Contains(out, "qgo chat --model "+name+"\n") {
			t.Errorf("pull %s: %s", arg, out)
		}
		if out := succeed(t, "", "list"); !strings.Contains(out, name+"  ") || strings.Contains(out, "incomplete") {
			t.Errorf("list after pull %s:\n%s", arg, out)
		}
		var answer struct {
			Models []struct{ Name string }
		}
		if err := json.Unmarshal([]byte(succeed(t, "", "list", "-o", "json")), &answer); err != nil || len(answer.Models) != 1 || answer.Models[0].Name != name {
			t.Errorf("list as JSON after pull %s: %+v, %v", arg, answer, err)
		}
		if out := succeed(t, "", "rm", arg, "-o", "json"); !strings.Contains(out, `"deleted": [`) {
			t.Errorf("rm %s: %s", arg, out)
		}
		if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 0 {
			t.Errorf("left after rm %s: %q", arg, left)
		}
	}
	for args, want := range map[string]string{
		"hf.co/USER/REPO:Q5_K_M": "the hub has no GGUF file of type q5_k_m; there is Q4_K_M, Q8_0",
		"hf.co/USER/NONE:Q8_0":   "answered 404 Not Found; there is no such model",
	} {
		if code, _, errOut := qgo("", "pull", args); code != exitBadInput || !strings.Contains(strings.Join(strings.Fields(errOut), " "), want) {
			t.Errorf("pull %s: exit %d, %s", args, code, errOut)
		}
	}
	if code, _, errOut := qgo("", "pull", "qwen2.5-7b:q4_k"); code != exitUsage || !strings.Contains(errOut, "did you mean qwen2.5-7b:q4_k_m?") {
		t.Errorf("a name that is nearly one: exit %d, %s", code, errOut)
	}
	if code, _, errOut := qgo("", "rm", "hf.co/USER/REPO:q8_0"); code != exitBadInput || !strings.Contains(errOut, "qgo pull hf.co/USER/REPO:q8_0") {
		t.Errorf("rm of what is not there: exit %d, %s", code, errOut)
	}
}

// TestListNothing wants an array in JSON also when there is nothing to list.
func TestListNothing(t *testing.T) {
	dir := t.TempDir()
	for _, cache := range []string{dir, filepath.Join(dir, "none")} {
		t.Setenv("QGO_MODELS", cache)
		if out := succeed(t, "", "list", "-o", "json"); !strings.Contains(out, `"models": []`) {
			t.Errorf("list: %s", out)
		}
	}
}

// TestListIncomplete marks a model of which a part is missing.
func TestListIncomplete(t *testing.T) {
	_, cache := hubOf(t, demoBytes(t), "M-Q8_0-00001-of-00002.gguf", "M-Q8_0-00002-of-00002.gguf")
	const name = "hf.co/USER/REPO:Q8_0"
	succeed(t, "", "pull", name)
	if err := os.Remove(filepath.Join(cache, "hf.co--USER--REPO--M-Q8_0-00002-of-00002.gguf")); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "", "list"); !strings.Contains(out, "incomplete: 1 of 2 parts are whole") {
		t.Errorf("list:\n%s", out)
	}
	succeed(t, "", "pull", name)
	if out := succeed(t, "", "list"); strings.Contains(out, "incomplete") {
		t.Errorf("list after another pull:\n%s", out)
	}
}

// TestPullBusy has the hub busy once: the user is told what is waited for.
func TestPullBusy(t *testing.T) {
	data := demoBytes(t)
	url, _ := hubOf(t, data, "M-Q8_0.gguf")
	var asked atomic.Int32
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, url+r.URL.Path, http.StatusFound)
	}))
	defer busy.Close()
	t.Setenv("HF_ENDPOINT", busy.URL)
	code, _, errOut := qgo("", "pull", "hf.co/USER/REPO:Q8_0")
	if want := "is busy (503 Service Unavailable); trying again in 1 s (1 of 5)\n"; code != 0 || !strings.Contains(errOut, want) {
		t.Errorf("exit %d, %q, want %q", code, errOut, want)
	}
}

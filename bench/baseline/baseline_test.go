package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/model"
	"qgo/model/demo"
)

// program writes a script that stands in for llama-bench.
func program(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "llama-bench")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLlamaBench(t *testing.T) {
	args := filepath.Join(t.TempDir(), "args")
	l := &LlamaBench{Path: program(t, `echo "$@" > `+args+`
echo "ggml: a note"
echo '[
{"n_prompt": 0, "n_gen": 128, "n_depth": 16, "n_threads": 2, "samples_ns": [2000000000], "samples_ts": [64.0], "flash_attn": true}
]'`)}
	r, err := l.Once(context.Background(), bench.Request{Path: "m.gguf", Threads: 2, GPULayers: 26, Test: bench.Test{Gen: 128, Depth: 16}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Engine != "llama.cpp" || len(r.Reps) != 1 || r.Reps[0].NS != 2e9 || r.Reps[0].Gen != 128 {
		t.Errorf("%+v", r)
	}
	got, err := os.ReadFile(args)
	if err != nil {
		t.Fatal(err)
	}
	if want := "-m m.gguf -t 2 -ngl 26 -r 1 -fa 1 -o json -p 0 -n 128 -d 16\n"; string(got) != want {
		t.Errorf("arguments %q, want %q", got, want)
	}
}

// TestLlamaBenchFork takes the fork's way to fill the KV cache, where there is no
// -d, and gives it its own arguments and environment.
func TestLlamaBenchFork(t *testing.T) {
	args := filepath.Join(t.TempDir(), "args")
	l := &LlamaBench{Label: "fork", Args: []string{"-rtr", "1"}, Env: []string{"OMP_PLACES={0},{1}"}, Path: program(t, `if [ "$1" = --help ]; then echo "  -gp <pp,tg>"; exit 1; fi
echo "$@ $OMP_PLACES" > `+args+`
echo '[{"n_prompt": 16, "n_gen": 128, "samples_ns": [2000000000], "test": "tg128@pp16"}]'`)}
	r, err := l.Once(context.Background(), bench.Request{Path: "m.gguf", Threads: 2, Test: bench.Test{Gen: 128, Depth: 16}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (bench.Test{Gen: 128, Depth: 16}); r.Engine != "fork" || r.Test() != want || r.Reps[0].NS != 2e9 {
		t.Errorf("%+v", r)
	}
	got, err := os.ReadFile(args)
	if err != nil {
		t.Fatal(err)
	}
	if want := "-m m.gguf -t 2 -ngl 0 -r 1 -fa 1 -o json -p 0 -n 0 -gp 16,128 -rtr 1 {0},{1}\n"; string(got) != want {
		t.Errorf("arguments and environment %q, want %q", got, want)
	}
	_, err = l.Once(context.Background(), bench.Request{Path: "m.gguf", Threads: 2, Test: bench.Test{Prompt: 8, Depth: 16}})
	if err == nil || !strings.Contains(err.Error(), "has no -d, and so cannot do pp8 @ d16") {
		t.Errorf("a prompt at a depth: %v", err)
	}
}

func TestLlamaBenchFails(t *testing.T) {
	request := bench.Request{Path: "m.gguf", Threads: 1, Test: bench.Test{Prompt: 8}}
	for script, want := range map[string]string{
		"echo loading >&2; echo 'error: no such model' >&2; exit 1": "no such model",
		"echo hello":    "its output: is neither JSON nor a table",
		"echo '[]'":     "its output: has no results",
		"echo '[null]'": "its output: has null as results[0]",
		`echo '[{"n_prompt": 8, "samples_ns": [0]}]'`: "its output: result 1 has a rate of +Inf",
		`echo '[{"n_prompt": 9, "samples_ns": [5]}]'`: "no result for pp8",
	} {
		if r, err := (&LlamaBench{Path: program(t, script)}).Once(context.Background(), request); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", script, r, err, want)
		}
	}
	for _, r := range []bench.Request{{Test: bench.Test{Prompt: 8}}, {Path: "m.gguf", Test: bench.Scenarios[0]}} {
		if _, err := (&LlamaBench{Path: "/none"}).Once(context.Background(), r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

// loaded loads the demonstration model.
func loaded(t *testing.T) *model.Model {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// TestOpenAI times a server that sends tokens at known moments.
func TestOpenAI(t *testing.T) {
	m := loaded(t)
	var sent chatRequest
	const wait = 20 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" {
			http.NotFound(w, r)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		flush := func(text string) {
			fmt.Fprint(w, text)
			w.(http.Flusher).Flush()
		}
		flush("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n")
		for i := range 4 {
			time.Sleep(wait)
			flush(fmt.Sprintf("data: {\"choices\":[{\"delta\":{\"content\":\"t%d \"}}]}\n\n", i))
		}
		flush(": a comment\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":130,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()
	test := bench.Test{Scenario: "chat", Prompt: 128, Gen: 7}
	o := &OpenAI{URL: server.URL + "/v1/"}
	r, err := o.Once(context.Background(), bench.Request{Test: test, Model: m})
	if err != nil {
		t.Fatal(err)
	}
	rep := r.Reps[0]
	if rep.Prompt != 130 || rep.Gen != 7 || len(rep.Gaps) != 3 {
		t.Errorf("%d tokens of prompt, %d of answer, %d gaps", rep.Prompt, rep.Gen, len(rep.Gaps))
	}
	if rep.TTFT < int64(wait) || rep.NS < int64(4*wait) || rep.Gaps[0] < int64(wait)/2 {
		t.Errorf("times %+v are shorter than the server's", rep)
	}
	if sent.MaxTokens != 7 || !sent.Stream || !sent.StreamOptions["include_usage"] || len(sent.Messages) != 1 {
		t.Errorf("request %+v", sent)
	}
	text, err := bench.ScenarioText(m, 128)
	if err != nil || sent.Messages[0].Content != text {
		t.Errorf("the server got another text than qgo: %v", err)
	}
	// 7 tokens in 4 pieces: the rate counts tokens.
	r.Summarise(bench.Limits{}, bench.Report{}.Reference)
	if want := 6 / (float64(rep.NS-rep.TTFT) / 1e9); r.DecodeTS < 0.999*want || r.DecodeTS > 1.001*want {
		t.Errorf("decode at %v t/s, want %v", r.DecodeTS, want)
	}
}

// TestOpenAIKey sends a key if there is one, and says where it is taken from if
// the server wants one.
func TestOpenAIKey(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()
	request := bench.Request{Test: bench.Test{Scenario: "chat", Prompt: 64, Gen: 1}, Model: loaded(t)}
	if _, err := (&OpenAI{URL: server.URL, Key: "secret"}).Once(context.Background(), request); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"", "another"} {
		if _, err := (&OpenAI{URL: server.URL, Key: key}).Once(context.Background(), request); err == nil || !strings.Contains(err.Error(), "401 Unauthorized: no key; it takes the key in OPENAI_API_KEY") {
			t.Errorf("with the key %q: %v", key, err)
		}
	}
}

func TestOpenAIFails(t *testing.T) {
	m := loaded(t)
	for answer, want := range map[string]string{
		"":                   "no text",
		"data: nonsense\n\n": "expected a chunk",
		"data: {\"error\":{\"message\":\"out of memory\"}}\n\n":                                                                                     "out of memory",
		"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n":                                                                                 "cut off after 1 pieces",
		"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n":                                                                 "usage",
		"data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"}]}\n\n":                                                    "usage",
		"event: error\ndata: {\"message\":\"the queue is full\"}\n\n":                                                                               "the server failed: {\"message\":\"the queue is full\"}",
		"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\nevent: error\ndata: {\"code\":\"\\u001b[31m\"}\n\n":                               "the server failed",
		"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":99999999}}\n\ndata: [DONE]\n\n": "counts -1 tokens of the prompt and 99999999 of the answer",
		strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", 200):                                                            "does not end its answer",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		_, err := (&OpenAI{URL: server.URL}).Once(context.Background(), bench.Request{Test: bench.Test{Scenario: "chat", Prompt: 64, Gen: 1}, Model: m})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		server.Close()
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := (&OpenAI{URL: server.URL}).Once(context.Background(), bench.Request{Test: bench.Test{Scenario: "chat", Prompt: 64, Gen: 1}, Model: m}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, want the status 404", err)
	}
	if _, err := (&OpenAI{URL: server.URL}).Once(context.Background(), bench.Request{Test: bench.Test{Gen: 8}, Model: m}); err == nil {
		t.Error("no error for a test without text")
	}
}

func TestNanoStudy(t *testing.T) {
	all, err := NanoStudy()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Fatalf("%d results", len(all))
	}
	for i, impossible := range []bool{false, false, true} {
		if all[i].Impossible != impossible {
			t.Errorf("%s %s: impossible is %v", all[i].Engine, all[i].Test().Name(), all[i].Impossible)
		}
	}
	if r := all[1]; r.MedianTS < 7.999 || r.MedianTS > 8.001 || r.OfGiven < 0.10 || r.OfGiven > 0.12 {
		t.Errorf("decode %v t/s, %v of the bound", r.MedianTS, r.OfGiven)
	}
}

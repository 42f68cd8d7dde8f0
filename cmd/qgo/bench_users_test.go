package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qgo/bench/load"
)

// chatServer is a server whose answers have three tokens, the first after a
// wait; serve, if set, is asked before and returns false if it has answered.
func chatServer(t *testing.T, wait time.Duration, serve func(n int, w http.ResponseWriter, r *http.Request) bool) (url string, words *[]int) {
	t.Helper()
	var n atomic.Int32
	var seen []int
	turn := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Model    string
			Messages []struct{ Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Messages) != 1 {
			t.Errorf("request: %v, %+v", err, asked)
			return
		}
		turn <- struct{}{}
		seen = append(seen, len(strings.Fields(asked.Messages[0].Content)))
		<-turn
		if serve != nil && !serve(int(n.Add(1)), w, r) {
			return
		}
		time.Sleep(wait)
		for range 3 {
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a \"}}]}\n\n")
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":26,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(server.Close)
	return server.URL, &seen
}

func usersReport(t *testing.T, out string) *load.Report {
	t.Helper()
	var r load.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return &r
}

// TestBenchUsers measures the demonstration model.
func TestBenchUsers(t *testing.T) {
	args := []string{"bench", "users", "-m", demoFile, "-t", "1", "--users", "3,1", "--prompt", "40", "--answer", "6", "--requests", "2", "--ttft", "1h", "--tpot", "1h"}
	out := succeed(t, "", args...)
	fits80(t, out)
	for _, want := range []string{"godoc-tiny-q8_0.gguf by qgo, 1 thread, f16 KV cache\n", "Closed loop", "\nusers ", "\n    1 ", "\n    3 ", " 100 %", "\n3 people at once: first token under 3600 s and"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	r := usersReport(t, succeed(t, "", append(args, "-o", "json", "--rate", "50", "--seed", "9", "--batch-decode", "1,2")...))
	if r.Schema != load.Schema || r.Loop != "open" || r.Rate != 50 || r.Seed != 9 || r.Chunk != load.PromptChunk || r.KV != "f16" || len(r.Levels) != 2 || len(r.BatchDecode) != 2 || r.Interrupted {
		t.Errorf("%+v", r)
	}
	if l := r.Levels[1]; l.Users != 3 || l.Requests != 6 || l.Good != 6 || l.TTFT == nil || l.TPOT == nil || l.TotalTS <= 0 || l.EachTS <= 0 {
		t.Errorf("%+v", l)
	}
	only := succeed(t, "", "bench", "users", "-m", demoFile, "-t", "1", "--batch-decode", "2,4,1", "--depth", "20")
	fits80(t, only)
	if strings.Contains(only, "TTFT") || !strings.Contains(only, "\ndecode @ d20 ") || !strings.Contains(only, "\n4 sequences ") || !strings.Contains(only, "A step of 4 sequences takes ") {
		t.Errorf("decode only:\n%s", only)
	}
}

// TestBenchUsersSampled draws tokens where it is known how, and says how.
func TestBenchUsersSampled(t *testing.T) {
	const how = "temp 0.7, top-k 20, top-p 0.8, repeat-penalty 1.05"
	args := []string{"bench", "users", "--sampled", "--users", "2", "--prompt", "16", "--answer", "2", "--requests", "1", "--batch-decode", "2"}
	out := succeed(t, "", args...)
	fits80(t, out)
	if !strings.Contains(out, "\nTokens are drawn: "+how+".\n") {
		t.Errorf("%s", out)
	}
	if r := usersReport(t, succeed(t, "", append(args, "-o", "json")...)); r.Sampling != how || len(r.Levels) != 1 || r.Levels[0].Failed != 0 || len(r.BatchDecode) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestBenchUsersSynthetic needs no model and no server.
func TestBenchUsersSynthetic(t *testing.T) {
	out := succeed(t, "", "bench", "users", "--users", "2", "--prompt", "16", "--answer", "2", "--requests", "1")
	if !strings.Contains(out, " by qgo, ") || !strings.Contains(out, "\n    2 ") {
		t.Errorf("%s", out)
	}
}

// TestBenchUsersServer measures a server that takes a while for the first token
// and counts more tokens of a prompt than were asked for.
func TestBenchUsersServer(t *testing.T) {
	const wait = 20 * time.Millisecond
	url, words := chatServer(t, wait, nil)
	args := []string{"bench", "users", "--url", url + "/v1#tiny", "--users", "1,2", "--requests", "2", "--prompt", "20", "--answer", "3", "--ttft", "1h", "--tpot", "1h"}
	r := usersReport(t, succeed(t, "", append(args, "-o", "json")...))
	if r.Model != "tiny" || r.Engine != strings.TrimPrefix(url, "http://") || r.Loop != "closed" || r.Chunk != 0 || len(r.Levels) != 2 {
		t.Errorf("%+v", r)
	}
	if l := r.Levels[1]; l.Requests != 4 || l.Good != 4 || l.Prompt != 26 || l.TTFT.P50 < float64(wait.Milliseconds()) || l.Seconds < 2*wait.Seconds() {
		t.Errorf("%+v", l)
	}
	if want := []int{20, 14, 14, 14, 14, 14, 14}; !slices.Equal(*words, want) {
		t.Errorf("texts of %d words, want %d: the server counts 6 beside the words", *words, want)
	}
	out := succeed(t, "", args...)
	fits80(t, out)
	if !strings.Contains(out, "tiny by "+r.Engine) || !strings.Contains(out, "(the server\ncounts prompts of 26)") && !strings.Contains(strings.ReplaceAll(out, "\n", " "), "(the server counts prompts of 26)") {
		t.Errorf("%s", out)
	}
}

// TestBenchUsersFailures expects failures to be counted and told, and exit 1 if
// there is nothing else.
func TestBenchUsersFailures(t *testing.T) {
	url, _ := chatServer(t, 0, func(n int, w http.ResponseWriter, _ *http.Request) bool {
		switch n % 4 {
		case 2:
			http.Error(w, "slow down", http.StatusTooManyRequests)
		case 3:
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a \"}}]}\n\n")
		default:
			return true
		}
		return false
	})
	args := []string{"bench", "users", "--users", "1", "--requests", "4", "--prompt", "20", "--answer", "3", "--ttft", "1h", "--tpot", "1h"}
	out := succeed(t, "", append(args, "--url", url)...)
	fits80(t, out)
	for _, want := range []string{
		"1 user: 1 of 4 requests failed: the server answered 429 Too Many Requests: slow\n  down\n", "1 user: 1 of 4 requests failed: the stream was cut off after 1 pieces of text\n",
		"Not even 1 person", "because requests fail",
	} {
		if !strings.Contains(strings.ReplaceAll(out, "\n", " "), strings.ReplaceAll(want, "\n", " ")) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	code, out, errOut := qgo("", append(args, "--url", gone.URL)...)
	if want := "qgo: all requests failed: the server cannot be reached: connection refused (4 of 4)\n"; code != exitBadInput || errOut != want || !strings.Contains(out, "1 user: 4 of 4 requests failed") {
		t.Errorf("exit %d, %q, want %q; output\n%s", code, errOut, want, out)
	}
}

func TestBenchUsersErrors(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args string
	}{
		{2, `--users: "x" is neither a number from 0`, "--users x"},
		{2, `--users is "0,2": choose numbers from 1 to 256`, "--users 0,2"},
		{2, `--users is "257": choose numbers from 1 to 256`, "--users 257"},
		{2, `--batch-decode is "0": choose numbers from 1 to 256`, "--batch-decode 0"},
		{2, "--depth is 0: choose 1 to 131072", "--batch-decode 2 --depth 0"},
		{2, "--depth is for --batch-decode: give that, too", "--depth 200"},
		{1, "the texts need a context of 618: --ctx is 300", "-m " + demoFile + " --batch-decode 2 --depth 600 --ctx 300"},
		{2, "--prompt is 0: choose 1 to 131072", "--prompt 0"},
		{2, "--answer is 1000000: choose 1 to 131072", "--answer 1000000"},
		{2, "--requests is 0: choose 1 to 10000", "--requests 0"},
		{2, "--seconds is 0: choose more than 0", "--seconds 0"},
		{2, "--seconds is NaN: choose more than 0", "--seconds NaN"},
		{2, "--requests and --seconds exclude each other", "--seconds 5 --requests 2"},
		{2, "--rate is -1: choose 0.001 to 1000 requests a second", "--rate -1"},
		{2, "--rate is +Inf: choose", "--rate Inf"},
		{2, "--seed is for --rate", "--seed 3"},
		{2, "--ttft is 0s: choose more than 0", "--ttft 0"},
		{2, "--tpot is 2h0m0s: choose more than 0 and at most 1h", "--tpot 2h"},
		{2, `--tpot is "fast": expected a time such as 10s`, "--tpot fast"},
		{2, "--for is 101: choose more than 0 and at most 100", "--for 101"},
		{2, "--for is NaN: choose", "--for NaN"},
		{2, "no scenario", "--scenario tea"},
		{2, `--scenario is "all": choose one`, "--scenario all"},
		{2, "leave out --prompt and --answer", "--scenario chat --prompt 3"},
		{2, `--url is "localhost:80": expected the address of a server`, "--url localhost:80"},
		{2, `--url is "": expected the address of a server`, "--url ="},
		{2, "--model is for a model that qgo computes itself: leave it out with --url", "--url http://x -m " + demoFile},
		{2, "--sampled is for a model that qgo computes itself", "--url http://x --sampled"},
		{1, "--sampled: neither the file nor its makers recommend how to draw tokens of godoc-tiny-q8_0.gguf: leave it out", "--sampled --batch-decode 1 -m " + demoFile},
		{2, "--batch-decode is for a model that qgo computes itself", "--url http://x --batch-decode 2"},
		{2, "--threads is -1: choose 0 or more", "-t -1"},
		{1, "the texts need a context of 320: --ctx is 100", "-m " + demoFile + " --ctx 100"},
		{1, "a context of 536870912", "-m " + demoFile + " --ctx 536870912"},
		{1, "no/such.gguf", "-m no/such.gguf"},
	} {
		args := append([]string{"bench", "users"}, strings.Fields(c.args)...)
		for i, a := range args {
			args[i] = strings.TrimPrefix(a, "=") // an empty text
		}
		code, out, errOut := qgo("", args...)
		line, _, _ := strings.Cut(errOut, "\n")
		if code != c.code || out != "" || !strings.Contains(strings.ReplaceAll(errOut, "\n", " "), c.want) || !strings.HasPrefix(line, "qgo: ") {
			t.Errorf("%s: exit %d, %q, %q, want %q", c.args, code, out, errOut, c.want)
		}
	}
}

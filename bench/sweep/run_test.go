package sweep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"qgo/bench"
	"qgo/model"
)

// scene writes the demonstration model and a script that stands in for
// llama-bench, and returns a plan of both.
func scene(t *testing.T, script string) (p *Plan, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir = t.TempDir()
	file, err := os.ReadFile("../../model/demo/godoc-tiny-q8_0.gguf")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "llama-bench")
	for path, data := range map[string][]byte{filepath.Join(dir, "m.gguf"): file, program: []byte("#!/bin/sh\n" + script)} {
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p = &Plan{
		Title: "a try", Models: []string{filepath.Join(dir, "m.gguf")}, Tests: []string{"pp8", "tg4"}, Threads: []int{1}, Busy: []int{0}, Device: "cpu",
		Engines: []Engine{{Name: "other", LlamaBench: program, Env: map[string]string{"MARK": "x"}}},
		Rule:    Rule{Pairs: 2, Most: 2, Steady: 1, Foreign: 1, Level: 0.03, Patience: 60},
	}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// engine prints results of whatever test is asked for, if $MARK is set.
const engine = `while [ $# -gt 0 ]; do case $1 in -p) p=$2;; -n) n=$2;; esac; shift; done
[ "$MARK" = x ] && echo "[{\"n_prompt\": $p, \"n_gen\": $n, \"samples_ns\": [1000000000], \"build_commit\": \"abc\"}]"`

func TestRun(t *testing.T) {
	p, dir := scene(t, engine)
	out := filepath.Join(dir, "r.jsonl")
	steps := 0
	r, err := p.Run(context.Background(), out, model.Options{}, func(bench.Status) { steps++ })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != 2 || r.Missing() != 0 || steps == 0 {
		t.Fatalf("%d cells, %d missing, %d steps", len(r.Cells), r.Missing(), steps)
	}
	for i, want := range []float64{8, 4} { // tokens of the test in a second
		c := r.Cells[i]
		if len(c.Turns) != 2 || c.Engines[1].Build != "abc" || c.Kernels == "" || c.Size == 0 || c.Seconds <= 0 || c.Binds == "" {
			t.Errorf("%+v", c)
		}
		for _, turn := range c.Turns {
			if turn.Rates[1] != want || turn.Rates[0] <= 0 || len(turn.Bandwidth) != 3 || turn.Bandwidth[2] <= 0 || len(turn.Peak) != 3 || turn.Peak[0] <= 0 {
				t.Errorf("%s: %+v", c.Test, turn)
			}
		}
	}
	again, err := Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.Markdown(), r.Markdown(); got != want {
		t.Errorf("read again:\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(contents(t, out), dir) {
		t.Error("the result has paths of this machine")
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestResume goes on where a sweep was broken off, in the middle of a line even,
// and measures nothing twice.
func TestResume(t *testing.T) {
	p, dir := scene(t, engine)
	out := filepath.Join(dir, "r.jsonl")
	ctx, cancel := context.WithCancel(context.Background())
	r, err := p.Run(ctx, out, model.Options{}, func(s bench.Status) {
		if strings.Contains(s.Step, "cell 2") && strings.Contains(s.Step, "other, turn 2") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(r.Cells) != 1 {
		t.Fatalf("%v, %d cells", err, len(r.Cells))
	}
	before := contents(t, out)
	if err := os.WriteFile(out, []byte(before+`{"model":"m.gguf","te`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = p.Run(context.Background(), out, model.Options{}, nil)
	if err != nil || len(r.Cells) != 2 {
		t.Fatalf("%v, %d cells", err, len(r.Cells))
	}
	if after := contents(t, out); !strings.HasPrefix(after, before) || strings.Count(after, "\n") != 3 {
		t.Errorf("the result is not what it was and one line:\n%s", after)
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(context.Background(), out, model.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(out); err != nil || now.Size() != info.Size() {
		t.Errorf("a sweep that is done was measured again: %v", err)
	}

	p.Rule.Level = 0.05
	if _, err := p.Run(context.Background(), out, model.Options{}, nil); err == nil || !strings.Contains(err.Error(), "begun with another rule") {
		t.Errorf("with another rule: %v", err)
	}
	p.Rule.Level, p.Title = 0.03, "another"
	if _, err := p.Run(context.Background(), out, model.Options{}, nil); err == nil || !strings.Contains(err.Error(), "begun with another plan") {
		t.Errorf("with another plan: %v", err)
	}
}

// TestLate leaves an engine out that takes too long, and one that fails.
func TestLate(t *testing.T) {
	for script, want := range map[string]struct {
		grade       Grade
		reason      string
		most, least int
	}{
		"echo . >> $0.log; exec sleep 60":        {Ahead, "no result in 1 s, 2 times", 2, 2},
		"echo . >> $0.log; echo bad >&2; exit 1": {Void, "it gave no result: exit status 1: bad", 1, 1},
	} {
		p, dir := scene(t, script)
		p.Rule.Patience, p.Rule.Pairs, p.Rule.Most, p.Tests, p.tests = 1, 3, 3, p.Tests[1:], p.tests[1:]
		r, err := p.Run(context.Background(), filepath.Join(dir, "r.jsonl"), model.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := r.Cells[0].Verdicts(&p.Rule)[0]
		if v.Grade != want.grade || v.Reason != want.reason {
			t.Errorf("%s: %+v, want %s, %q", script, v, want.grade, want.reason)
		}
		if n := strings.Count(contents(t, filepath.Join(dir, "llama-bench.log")), "\n"); n < want.least || n > want.most {
			t.Errorf("%s: was tried %d times", script, n)
		}
	}
}

// TestBusy has a busy loop beside the engines, which ends with the cell.
func TestBusy(t *testing.T) {
	for _, program := range []string{"sh", "ps", "grep"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s, to run busy loops and to count them", program)
		}
	}
	// Of this process: others may have some, too.
	count := func(parent string) string { return `ps -e -o ppid,args | grep -c "^ *` + parent + ` .*[k]ill -0"` }
	p, dir := scene(t, count("$PPID")+" > $0.log; "+engine)
	p.Busy, p.Tests, p.tests = []int{2}, p.Tests[1:], p.tests[1:]
	if _, err := p.Run(context.Background(), filepath.Join(dir, "r.jsonl"), model.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(contents(t, filepath.Join(dir, "llama-bench.log"))); got != "2" {
		t.Errorf("%s busy loops, want 2", got)
	}
	if left, err := exec.Command("sh", "-c", count(strconv.Itoa(os.Getpid()))).Output(); string(left) != "0\n" {
		t.Errorf("%s busy loops after the cell, want 0: %v", left, err)
	}
}

func TestParse(t *testing.T) {
	r := &Result{Header: Header{Schema: Schema, Plan: Plan{
		Models: []string{"m.gguf"}, Tests: []string{"tg16"}, Threads: []int{2}, Busy: []int{0}, Device: "cpu", Engines: []Engine{{Name: "other", LlamaBench: "x"}}, Rule: three,
	}}}
	line := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	head, cell := line(r.Header), line(decode(1.2, 1.2, 1.2))
	if got, err := parse([]byte(head + cell)); err != nil || len(got.Cells) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                             "has no whole line",
		"{}\n":                         "has no schema qgo.sweep/1",
		"[]\n":                         "has no schema",
		strings.TrimSuffix(head, "\n"): "has no whole line",
		strings.Replace(head, `"tg16"`, `"x"`, 1):                    "its plan: tests:",
		head + "nonsense\n":                                          "line 2 is no cell",
		head + cell + cell:                                           "line 3: the same cell twice",
		head + strings.Replace(cell, `"tg16"`, `"x"`, 1):             "line 2: ",
		head + strings.Replace(cell, `"other"`, `"else"`, 1):         `has "else" as an engine`,
		head + strings.Replace(cell, `[60,50]`, `[60]`, 1):           "turn 1 has 1 rates",
		head + strings.Replace(cell, `[60,50]`, `[60,-1]`, 1):        "turn 1 has -1",
		head + strings.Replace(cell, `[60,50]`, `[0,50]`, 1):         "turn 1 has 2 rates",
		head + strings.Replace(cell, `[0.01,0]`, `[0.01,1e30]`, 1):   "turn 1 has 1e+30",
		head + `{"model":"` + strings.Repeat("x", maxLine) + "\"}\n": "line 2 is longer",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

// TestMarkdown has no markup of names, and puts results into documents.
func TestMarkdown(t *testing.T) {
	r := &Result{Header: Header{Schema: Schema, Commit: "abc", Plan: Plan{
		Title: "<b>|", Models: []string{"m.gguf"}, Tests: []string{"tg16"}, Threads: []int{2}, Busy: []int{0}, Device: "cpu", Engines: []Engine{{Name: "other", LlamaBench: "x"}}, Rule: three,
	}}}
	r.Machine.CPU, r.Machine.Threads = "CPU", 2
	c := decode(1.2, 1.21, 1.19)
	c.Model = "a|b<script>.gguf"
	r.Cells = []*Cell{c}
	text := r.Markdown()
	for _, want := range []string{
		`**&lt;b&gt;\|.** CPU with 2 logical CPUs, qgo abc, `, "of 1 cell: 1 ahead, 0 level, 0 void, 0 behind.",
		"\n| model | test | threads | qgo, t/s | of its bound | other, t/s | qgo of it | grade |\n|---|---|---|---|---|---|---|---|\n",
		`| a\|b&lt;script&gt; | tg16 | 2 | 60.0 | 90 % | 50.0 | 1.20 (1.18 to 1.23) | ahead |`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nhas no %s", text, want)
		}
	}
	if strings.Contains(text, "Why cells") {
		t.Errorf("notes without need:\n%s", text)
	}
	c.Turns[0].Rates[1], c.Turns[1].Rates[1], c.Turns[2].Rates[1] = 0, 0, 0
	c.Engines[1].Late = 2
	late := r.Markdown()
	if want := "| 90 % |  | no result in 60 s, 2 times | ahead |"; !strings.Contains(late, want) || strings.Contains(late, "Why cells") {
		t.Errorf("an engine that is late: want %s and no note:\n%s", want, late)
	}
	c.Model = "m.gguf"
	dir := t.TempDir()
	var file bytes.Buffer
	for _, v := range []any{r.Header, c} {
		if err := json.NewEncoder(&file).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	doc := filepath.Join(dir, "doc.md")
	for path, text := range map[string]string{filepath.Join(dir, "r.jsonl"): file.String(), doc: "before\n\n<!-- sweep: r.jsonl -->\nold\n<!-- /sweep -->\n\nafter\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second changes nothing
		if err := UpdateFile(doc); err != nil {
			t.Fatal(err)
		}
		got := contents(t, doc)
		if want := "before\n\n<!-- sweep: r.jsonl -->\n\n" + r.Markdown() + "\n<!-- /sweep -->\n\nafter\n"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	for text, want := range map[string]string{
		"nothing": "has no mark", "<!-- sweep: r.jsonl -->\n": "a mark is not closed", "<!-- sweep: none -->\n<!-- /sweep -->": "there is no such result",
	} {
		if _, err := Update([]byte(text), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

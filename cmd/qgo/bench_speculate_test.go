package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"qgo/bench/speculate"
	"qgo/model/synth"
)

// guessing are the arguments of a bench of guesses that takes a moment.
func guessing(more ...string) []string {
	return append([]string{"bench", "--speculate", "-m", demoModel, "-t", "1", "-n", "24", "-r", "2"}, more...)
}

func TestBenchSpeculate(t *testing.T) {
	out := succeed(t, "", guessing()...)
	fits80(t, out)
	for _, want := range []string{
		"godoc-tiny-q8_0 (embedded) by qgo, 1 thread, f16 KV cache\n", " turns (2 pairs).\nGiven", "by the model's own vocabulary.\n",
		"\nedit ", "\nquotes ", "\nnew code ", "\nunrelated ", "\nits own ", " to ", " %\n", "token by token, in 4 turns.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	text := succeed(t, "", guessing("-o", "json", "--kv", "q8_0")...)
	file := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fitsSchema(t, "qgo.speculate-1", file)
	var r speculate.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Schema != speculate.Schema || r.KV != "q8_0" || r.Reps != 2 || r.Interrupted || len(r.Kinds) != 5 || r.Kinds[0].Answer != 24 || len(r.Kinds[4].Turns) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestBenchSpeculateFile measures a file as it does the model that is built in.
func TestBenchSpeculateFile(t *testing.T) {
	out := succeed(t, "", "bench", "--speculate", "-m", demoFile, "-n", "2", "-r", "1")
	if !strings.Contains(out, "godoc-tiny-q8_0.gguf by qgo, ") || !strings.Contains(out, "(1 pair)") {
		t.Errorf("%s", out)
	}
}

// TestBenchSpeculateSynthetic measures a model whose vocabulary is made up.
func TestBenchSpeculateSynthetic(t *testing.T) {
	spec, err := synth.ParseSpec("0.5b", "q4_0")
	if err != nil {
		t.Fatal(err)
	}
	spec.Blocks, spec.FFN, spec.Vocab = 1, 512, 20000
	path := filepath.Join(t.TempDir(), "random.gguf")
	if err := synth.Write(t.Context(), path, spec, nil); err != nil {
		t.Fatal(err)
	}
	out := succeed(t, "", "bench", "--speculate", "-m", path, "-n", "2", "-r", "1")
	fits80(t, out)
	if !strings.Contains(out, "random.gguf by qgo, ") || !strings.Contains(out, "by the vocabulary of the demonstration model,\nfor this model's is made up.\n") {
		t.Errorf("%s", out)
	}
}

// TestBenchSpeculateDefault wants a model to be made where none is named.
func TestBenchSpeculateDefault(t *testing.T) {
	var m modelFlags
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	m.add(cmd.Flags())
	made, err := m.loadForSpeculate(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if name := filepath.Base(made.File.Name); !strings.Contains(name, "0.5b-q4_0") {
		t.Errorf("the model is %s", name)
	}
}

func TestBenchSpeculateErrors(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args string
	}{
		{2, "--prefill does not go with --speculate: leave one of them out", "-p 512"},
		{2, "--depth does not go with --speculate", "-d 0"},
		{2, "--batch does not go with --speculate", "-b 512"},
		{2, "--scenario does not go with --speculate", "--scenario chat"},
		{2, "--power-modes does not go with --speculate", "--power-modes as-is"},
		{2, "--seconds does not go with --speculate", "--seconds 3"},
		{2, "--delay does not go with --speculate", "--delay 3"},
		{2, "--load does not go with --speculate", "--load"},
		{2, "--profile-ops does not go with --speculate", "--profile-ops"},
		{2, "--baseline does not go with --speculate", "--baseline nano-study"},
		{2, "--ctx does not go with --speculate", "--ctx 4096"},
		{2, "--out does not go with --speculate", "--out r.json"},
		{2, "--report does not go with --speculate", "--report r.html"},
		{2, "--bound does not go with --speculate", "--bound 10"},
		{2, "--output is csv: with --speculate choose text or json", "-o csv"},
		{2, "--model has 2 models: --speculate measures one", "-m a.gguf,b.gguf"},
		{2, "--threads is 1,2: with --speculate choose one number from 0 to ", "-t 1,2"},
		{2, "--threads is 100000: with --speculate choose one number from 0 to ", "-t 100000"},
		{2, "--decode is 1: with --speculate choose one number from 2 to 4096", "-n 1"},
		{2, `--decode: "x" is neither a number from 0`, "-n x"},
		{2, "--reps is 0: choose 1 to 1000000", "-r 0"},
		{2, `--kv is "q9": choose f16, f32 or q8_0`, "--kv q9"},
		{2, "--device cpu and --gpu-layers 3 exclude each other", "--device cpu --gpu-layers 3"},
		{1, "no/such.gguf", "-m no/such.gguf"},
	} {
		code, out, errOut := qgo("", append([]string{"bench", "--speculate"}, strings.Fields(c.args)...)...)
		if code != c.code || out != "" || !strings.Contains(strings.ReplaceAll(errOut, "\n", " "), c.want) || !strings.HasPrefix(errOut, "qgo: ") {
			t.Errorf("%s: exit %d, %q, %q, want exit %d and %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}

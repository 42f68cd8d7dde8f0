// Package baseline measures other engines in the same tests as qgo.
package baseline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"qgo/bench"
	"qgo/bench/format"
)

// LlamaBench runs llama.cpp's llama-bench, or that of a fork.
type LlamaBench struct {
	Path  string
	Label string   // what the engine is called; "" means llama.cpp
	Args  []string // beside those of the test
	Env   []string // beside this program's, as os.Environ has them

	depths depthFlag // found once
}

// depthFlag is how a llama-bench is told that a KV cache is filled before a test.
type depthFlag int

const (
	depthUnknown depthFlag = iota
	depthAny               // -d, for all tests
	depthDecode            // -gp, of forks that branched off before, for decode only
)

// Name is what the engine is called.
func (l *LlamaBench) Name() string {
	if l.Label != "" {
		return l.Label
	}
	return "llama.cpp"
}

// Once runs the program with one repetition of the test, after a warm-up of
// its own, with flash attention, as qgo has it, and with as many layers on the
// GPU; llama.cpp does not count the embedding as one.
func (l *LlamaBench) Once(ctx context.Context, r bench.Request) (*bench.Result, error) {
	switch {
	case r.Path == "":
		return nil, errors.New("needs a model file: name one with --model ('qgo synth' writes one)")
	case r.Scenario != "" || r.Prompt > 0 && r.Gen > 0:
		return nil, errors.New("llama-bench knows no requests with text; compare scenarios with --baseline openai=URL of llama-server")
	}
	test, err := l.test(ctx, r)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"-m", r.Path, "-t", strconv.Itoa(r.Threads), "-ngl", strconv.Itoa(r.GPULayers), "-r", "1", "-fa", "1", "-o", "json",
	}, test...)
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, l.Path, append(args, l.Args...)...)
	cmd.Env = append(os.Environ(), l.Env...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w%s", l.Path, err, lastLine(errOut.String()))
	}
	return l.parse(out.Bytes(), r)
}

// test are the arguments for a test.
func (l *LlamaBench) test(ctx context.Context, r bench.Request) ([]string, error) {
	prompt, gen := strconv.Itoa(r.Prompt), strconv.Itoa(r.Gen)
	if r.Depth == 0 {
		return []string{"-p", prompt, "-n", gen}, nil
	}
	if l.depths == depthUnknown {
		// Some print their help with an exit status of 1.
		help, _ := exec.CommandContext(ctx, l.Path, "--help").CombinedOutput()
		if l.depths = depthAny; !bytes.Contains(help, []byte("-d,")) && bytes.Contains(help, []byte("-gp")) {
			l.depths = depthDecode
		}
	}
	switch {
	case l.depths == depthAny:
		return []string{"-p", prompt, "-n", gen, "-d", strconv.Itoa(r.Depth)}, nil
	case r.Prompt > 0:
		return nil, fmt.Errorf("%s: has no -d, and so cannot do %s", l.Path, r.Name())
	}
	return []string{"-p", "0", "-n", "0", "-gp", strconv.Itoa(r.Depth) + "," + gen}, nil
}

// parse reads the program's output. Forks print notes before the list.
func (l *LlamaBench) parse(out []byte, r bench.Request) (*bench.Result, error) {
	if i := bytes.Index(out, []byte("[\n")); i > 0 {
		out = out[i:]
	}
	report, err := format.Read(out)
	if err != nil {
		return nil, fmt.Errorf("%s: its output: %w", l.Path, err)
	}
	for _, res := range report.Results {
		if r.Depth > 0 && l.depths == depthDecode && res.Prompt == r.Depth {
			res.Prompt, res.Depth = 0, r.Depth // -gp states what is in the cache as a prompt
		}
		if res.Prompt != r.Prompt || res.Gen != r.Gen || len(res.SamplesNS) == 0 || res.SamplesNS[0] <= 0 {
			continue
		}
		res.Engine = l.Name()
		res.Reps = []bench.Rep{{NS: res.SamplesNS[0], Prompt: r.Prompt, Gen: r.Gen}}
		return res, nil
	}
	return nil, fmt.Errorf("%s: no result for %s in its output", l.Path, r.Name())
}

// lastLine is the last line of what a program had to say, for an error.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	return fmt.Sprintf(": %.300s", s[strings.LastIndexByte(s, '\n')+1:])
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/baseline"
	"qgo/bench/format"
)

// serverKey is the environment variable that holds the key of a server.
const serverKey = "OPENAI_API_KEY"

// addBaseline reads a --baseline: an engine that takes turns, or results that
// are there already.
func (b *benchFlags) addBaseline(cmd *cobra.Command, s string) error {
	kind, value, ok := strings.Cut(s, "=")
	switch {
	case ok && kind == "llama-bench":
		path, err := exec.LookPath(value)
		if err != nil {
			return usagef(cmd, "--baseline llama-bench=%s: there is no such program that can be run", value)
		}
		b.plan.Baselines = append(b.plan.Baselines, &baseline.LlamaBench{Path: path, Label: forkOf(path)})
	case ok && kind == "openai":
		if !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
			return usagef(cmd, "--baseline openai=%s: expected the address of a server, such as http://localhost:8080", value)
		}
		url, name, _ := strings.Cut(value, "#")
		b.plan.Baselines = append(b.plan.Baselines, &baseline.OpenAI{URL: url, Model: name, Key: os.Getenv(serverKey)})
	case s == "nano-study":
		results, err := baseline.NanoStudy()
		if err != nil {
			return err
		}
		b.known = append(b.known, results...)
	default:
		if _, err := os.Stat(s); err != nil {
			return usagef(cmd, "--baseline %q: expected llama-bench=PATH, openai=URL, nano-study or a file of results", s)
		}
		r, err := format.ReadFile(s)
		if err != nil {
			return err
		}
		for _, res := range r.Results {
			if res.Engine == "qgo" {
				res.Engine = "qgo, " + filepath.Base(s) // not what is measured now
			}
		}
		slices.SortStableFunc(r.Results, func(a, b *bench.Result) int { return strings.Compare(a.Engine, b.Engine) })
		b.known = append(b.known, r.Results...)
	}
	return nil
}

// forkOf names llama.cpp's fork by the folders that its program lies in.
func forkOf(path string) string {
	if strings.Contains(filepath.ToSlash(path), "ik_llama") {
		return "ik_llama.cpp"
	}
	return ""
}

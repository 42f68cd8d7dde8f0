package sweep

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"qgo/kernels"
)

const small = `
models: [dir/a.gguf, b.gguf]
tests: [pp8, "tg4@d16"]
engines: [{name: other, llama_bench: /opt/llama-bench, args: [-rtr, "1"]}]
`

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{
		Models: []string{"a.gguf", "b.gguf"}, Tests: []string{"pp8", "tg4 @ d16"}, Threads: []int{kernels.Cores()}, Busy: []int{0}, Device: "cpu",
		Engines: []Engine{{Name: "other", LlamaBench: "llama-bench", Args: []string{"-rtr", "1"}}}, Rule: usual,
	}
	if got := p.public(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := p.cells(); n != 4 {
		t.Errorf("%d cells", n)
	}
	p, err = parsePlan([]byte(small + "rule: {pairs: 4}\n"))
	if rule := usual; err != nil {
		t.Fatal(err)
	} else if rule.Pairs = 4; p.Rule != rule {
		t.Errorf("%+v: what a plan does not say is as usual", p.Rule)
	}
}

func TestParsePlanFails(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(small, old, new, 1) }
	for text, want := range map[string]string{
		"":                            "is empty",
		"[1":                          "is no plan",
		"models: 3\n":                 "is no plan",
		small + "colour: red\n":       "field colour not found",
		change("pp8", "pp"):           `"pp" is no test`,
		change("pp8", "chat"):         "llama-bench has no such test",
		change("pp8", "pp8+tg8"):      "llama-bench has no such test",
		change("pp8", "tg4 @ d16"):    "tg4 @ d16 twice",
		change("pp8", "pp2000000"):    "more than 1048576 tokens",
		change("b.gguf", "a.gguf"):    "a.gguf twice",
		change("name: other", "x: y"): "field x not found",
		change("name: other, ", ""):   "each needs a name",
		change("other", "qgo"):        "qgo twice",
		change("models: [dir/a.gguf, b.gguf]", "models: []"): "models: the list is empty",
		small + "threads: [1, 1]\n":                          "threads: a number twice",
		small + "threads: [100000]\n":                        "threads: 100000: choose 0",
		small + "busy: [-1]\n":                               "busy: -1: choose 0 to 1024",
		small + "rule: {pairs: 1}\n":                         "pairs is 1: choose 2",
		small + "rule: {pairs: 8, most: 7}\n":                "most is 7: choose 8",
		small + "rule: {level: .nan}\n":                      "level is NaN",
		small + "rule: {steady: 2}\n":                        "steady is 2",
		small + "rule: {patience: 0}\n":                      "patience is 0",
		small + "a: &a [1]\nb: [*a, *a]\n":                   "field a not found",
	} {
		if _, err := parsePlan([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestReadPlan(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.yaml")
	if err := os.WriteFile(long, []byte(strings.Repeat("#\n", maxPlan)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(dir, "none"): "there is no such plan", dir: "is a directory", long: "is larger than 1048576 bytes"} {
		if _, err := ReadPlan(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestCheck looks for files and programs before anything is measured.
func TestCheck(t *testing.T) {
	p, err := parsePlan([]byte(strings.ReplaceAll(small, "dir/a.gguf, b.gguf", "none.gguf")))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "none.gguf") {
		t.Errorf("a model that is not there: %v", err)
	}
	if p.Models = nil; true {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), "other: there is no program /opt/llama-bench") {
			t.Errorf("a program that is not there: %v", err)
		}
	}
}

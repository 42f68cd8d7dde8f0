// Package sweep measures many cells, each a model in a test with some number of
// threads, against other engines that take turns with qgo, and grades each cell
// by a rule that stands in the plan, and so was written before anything was
// measured.
package sweep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"qgo/bench"
	"qgo/gguf/show"
	"qgo/kernels"
	"qgo/model/files"
)

// Plan says what to measure: every test on every model, with every number of
// threads, beside every number of busy loops.
type Plan struct {
	Title   string   `yaml:"title" json:"title,omitempty"`
	Models  []string `yaml:"models" json:"models"` // files; in a result, their names
	Tests   []string `yaml:"tests" json:"tests"`   // as llama-bench names them: pp512, tg64 @ d2048
	Threads []int    `yaml:"threads" json:"threads"`
	// Busy are numbers of processes that compute for ever beside the engines.
	Busy    []int    `yaml:"busy" json:"busy"`
	Device  string   `yaml:"device" json:"device"` // cpu, or a GPU such as cuda:0
	Engines []Engine `yaml:"engines" json:"engines"`
	Rule    Rule     `yaml:"rule" json:"rule"`

	tests []bench.Test
}

// Engine is a program that takes turns with qgo.
type Engine struct {
	Name string `yaml:"name" json:"name"`
	// LlamaBench is the path of llama-bench; in a result, its name.
	LlamaBench string            `yaml:"llama_bench" json:"llama_bench"`
	Args       []string          `yaml:"args" json:"args,omitempty"` // beside those of the test
	Env        map[string]string `yaml:"env" json:"env,omitempty"`
}

// Rule says which pairs count, and what they are called.
type Rule struct {
	// Pairs is how many turns must hold for a grade. If some do not, more are
	// taken, up to Most in all.
	Pairs int `yaml:"pairs" json:"pairs"`
	Most  int `yaml:"most" json:"most"`
	// Steady is by what share at most the ceiling that binds the test, the
	// memory's bandwidth or the CPU's peak, may differ between the probes
	// before, within and after a turn. Beside busy loops neither this nor Foreign is
	// judged: all turns hold.
	Steady float64 `yaml:"steady" json:"steady"`
	// Foreign is the largest share of the CPUs' time that other programs and, of
	// a virtual machine, its host may take during a turn.
	Foreign float64 `yaml:"foreign" json:"foreign"`
	// Level is how far the whole interval of a ratio may be from 1 for a cell to
	// be level.
	Level float64 `yaml:"level" json:"level"`
	// Patience is how many seconds an engine may take for a turn, its loading
	// included.
	Patience float64 `yaml:"patience" json:"patience"`
}

// usual is the rule where a plan says nothing else.
var usual = Rule{Pairs: 10, Most: 20, Steady: 0.2, Foreign: 0.05, Level: 0.03, Patience: 120}

// Limits of what a plan may ask for.
const (
	maxPlan    = 1 << 20 // bytes
	maxCells   = 10_000
	maxPairs   = 1000
	maxBusy    = 1024
	maxTokens  = 1 << 20
	maxSeconds = 24 * 3600
)

// ReadPlan reads a plan from a YAML file.
func ReadPlan(path string) (*Plan, error) {
	data, err := read(path, "plan", maxPlan)
	if err != nil {
		return nil, err
	}
	p, err := parsePlan(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", show.Text(path), err)
	}
	return p, nil
}

// read reads a small file.
func read(path, what string, limit int64) ([]byte, error) {
	data, err := files.Read(path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: there is no such %s", show.Text(path), what)
	}
	return data, err
}

func parsePlan(data []byte) (*Plan, error) {
	p := &Plan{Threads: []int{0}, Busy: []int{0}, Device: "cpu", Rule: usual}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(p); errors.Is(err, io.EOF) {
		return nil, errors.New("is empty: expected a plan with models, tests and engines (see docs/bench.md)")
	} else if err != nil {
		return nil, fmt.Errorf("is no plan: %s", show.Lines(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	for i, n := range p.Threads {
		if n < 0 || n > kernels.CPUs() {
			return nil, fmt.Errorf("threads: %d: choose 0 (one per physical core) to %d", n, kernels.CPUs())
		}
		if n == 0 {
			p.Threads[i] = kernels.Cores()
		}
	}
	return p, p.check()
}

// check checks a plan, which may be of another machine.
func (p *Plan) check() error {
	for _, n := range p.Busy {
		if n < 0 || n > maxBusy {
			return fmt.Errorf("busy: %d: choose 0 to %d", n, maxBusy)
		}
	}
	for _, list := range []struct {
		name   string
		length int
	}{{"models", len(p.Models)}, {"tests", len(p.Tests)}, {"threads", len(p.Threads)}, {"busy", len(p.Busy)}, {"engines", len(p.Engines)}} {
		if list.length == 0 {
			return fmt.Errorf("%s: the list is empty", list.name)
		}
	}
	if n := p.cells(); n > maxCells {
		return fmt.Errorf("has %d cells (models, tests, threads and busy loops multiplied): at most %d", n, maxCells)
	}
	return errors.Join(p.checkTests(), p.checkNames(), p.Rule.check())
}

// cells is the number of cells.
func (p *Plan) cells() int { return len(p.Models) * len(p.Tests) * len(p.Threads) * len(p.Busy) }

func (p *Plan) checkTests() error {
	for i, name := range p.Tests {
		t, err := bench.ParseTest(name)
		switch {
		case err != nil:
			return fmt.Errorf("tests: %w", err)
		case t.Scenario != "" || t.Prompt > 0 && t.Gen > 0:
			return fmt.Errorf("tests: %s: llama-bench has no such test: choose one such as pp512 or tg128 @ d2048", show.Text(name))
		case t.Context() > maxTokens:
			return fmt.Errorf("tests: %s: more than %d tokens", show.Text(name), maxTokens)
		}
		if slices.Contains(p.tests, t) {
			return fmt.Errorf("tests: %s twice", t.Name())
		}
		p.tests = append(p.tests, t)
		p.Tests[i] = t.Name()
	}
	return nil
}

// checkNames makes sure that cells and engines can be told apart by their names.
func (p *Plan) checkNames() error {
	models, engines := map[string]bool{}, map[string]bool{"qgo": true}
	for _, m := range p.Models {
		if name := filepath.Base(m); models[name] {
			return fmt.Errorf("models: %s twice: files are told apart by their names", show.Text(name))
		} else {
			models[name] = true
		}
	}
	for _, e := range p.Engines {
		switch {
		case e.Name == "" || e.LlamaBench == "":
			return errors.New("engines: each needs a name, and llama_bench, the program's path")
		case engines[e.Name]:
			return fmt.Errorf("engines: %s twice: each needs a name of its own, and qgo always takes part", show.Text(e.Name))
		}
		engines[e.Name] = true
	}
	for _, list := range []struct {
		name   string
		values []int
	}{{"threads", p.Threads}, {"busy", p.Busy}} {
		sorted := slices.Sorted(slices.Values(list.values))
		if i := slices.Compact(slices.Clone(sorted)); len(i) < len(sorted) {
			return fmt.Errorf("%s: a number twice", list.name)
		}
	}
	return nil
}

func (r *Rule) check() error {
	switch {
	case r.Pairs < 2 || r.Pairs > maxPairs:
		return fmt.Errorf("rule: pairs is %d: choose 2 to %d", r.Pairs, maxPairs)
	case r.Most < r.Pairs || r.Most > 10*maxPairs:
		return fmt.Errorf("rule: most is %d: choose %d (pairs) to %d", r.Most, r.Pairs, 10*maxPairs)
	case !(r.Patience >= 1 && r.Patience <= maxSeconds):
		return fmt.Errorf("rule: patience is %g: choose 1 to %d seconds", r.Patience, maxSeconds)
	}
	for _, share := range []struct {
		name string
		v    float64
	}{{"steady", r.Steady}, {"foreign", r.Foreign}, {"level", r.Level}} {
		if !(share.v > 0 && share.v <= 1) {
			return fmt.Errorf("rule: %s is %g: choose a share above 0 and at most 1", share.name, share.v)
		}
	}
	return nil
}

// public is the plan as a result has it: with the names of files instead of
// their paths.
func (p *Plan) public() Plan {
	q := *p
	q.Models, q.Engines = slices.Clone(p.Models), slices.Clone(p.Engines)
	for i, m := range q.Models {
		q.Models[i] = filepath.Base(m)
	}
	for i := range q.Engines {
		q.Engines[i].LlamaBench = filepath.Base(q.Engines[i].LlamaBench)
	}
	q.tests = nil
	return q
}

package format_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/bench/load"
	"qgo/bench/machine"
	"qgo/bench/speculate"
	"qgo/bench/sweep"
)

// valid checks a value against a definition of a schema.
func valid(t *testing.T, schema string, v any, want bool) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := format.Checked(t, format.Schemas+schema, data); (err == nil) != want {
		t.Errorf("%s by %s: %v, want that it is valid: %v", data, schema, err, want)
	}
}

// TestSweepSchema validates the lines of a sweep's result with all their fields.
func TestSweepSchema(t *testing.T) {
	const schema = "qgo.sweep-1.schema.json"
	format.CheckFieldsOf(t, format.Schemas+schema, "header", reflect.TypeFor[sweep.Header]())
	format.CheckFieldsOf(t, format.Schemas+schema, "cell", reflect.TypeFor[sweep.Cell]())
	h := sweep.Header{Schema: sweep.Schema, Commit: "abc", GPU: "gpu", Machine: machine.Info{CPU: "cpu"}, Plan: sweep.Plan{
		Title: "title", Models: []string{"m"}, Tests: []string{"pp1"}, Threads: []int{1}, Busy: []int{0}, Device: "cpu",
		Engines: []sweep.Engine{{Name: "name", LlamaBench: "llama-bench", Args: []string{"-x"}, Env: map[string]string{"A": "b"}}},
	}}
	c := sweep.Cell{
		Model: "m", Test: "pp1", Threads: 1, Binds: "compute", OfBound: 0.5, Engines: []sweep.EngineRun{{Name: "qgo"}, {Name: "name", Build: "b", Late: 1, Error: "e"}},
		Turns: []sweep.Turn{{Rates: []float64{1, 0}, Bandwidth: []float64{1, 1, 1}, Peak: []float64{1, 1, 1}, Foreign: []float64{0, 0}}},
	}
	valid(t, schema+"#/$defs/header", h, true)
	valid(t, schema+"#/$defs/cell", c, true)
	c.Binds = "luck"
	valid(t, schema+"#/$defs/cell", c, false)
	valid(t, schema+"#/$defs/cell", h, false)
	valid(t, schema+"#/$defs/header", sweep.Header{}, false)
}

// TestUsersSchema validates what bench users writes with all its fields.
func TestUsersSchema(t *testing.T) {
	const schema = "qgo.users-1.schema.json"
	format.CheckFieldsOf(t, format.Schemas+schema, "report", reflect.TypeFor[load.Report]())
	p := &bench.Percentiles{Mean: 1}
	r := load.Report{
		Schema: load.Schema, Started: time.Now(), Engine: "qgo", Model: "m", Devices: "1 thread", KV: "f16", Scenario: "chat", Prompt: 1, Answer: 1,
		Loop: "open", Rate: 1, Seed: 1, Chunk: 256, Limits: load.Limits{TTFT: 1, TPOT: 1, Percent: 90}, Verdict: "v", DecodeVerdict: "d", Interrupted: true,
		Levels:      []*load.Level{{Users: 1, Failures: []load.Failure{{Reason: "r", Count: 1}}, Waiting: 1, TTFT: p, TPOT: p, TTLT: p, Queue: p, Incomplete: true}},
		BatchDecode: []load.Step{{Sequences: 1, Depth: 1, MS: 1}},
	}
	valid(t, schema, r, true)
	r.Levels = nil // only decode of several sequences
	valid(t, schema, r, true)
	r.Loop = "spiral"
	valid(t, schema, r, false)
	valid(t, schema, load.Report{}, false)
}

// TestSpeculateSchema validates what bench --speculate writes with all its fields.
func TestSpeculateSchema(t *testing.T) {
	const schema = "qgo.speculate-1.schema.json"
	format.CheckFieldsOf(t, format.Schemas+schema, "report", reflect.TypeFor[speculate.Report]())
	r := speculate.Report{
		Schema: speculate.Schema, Started: time.Now(), Model: "m", Devices: "1 thread", KV: "f16", Reps: 2, Vocabulary: speculate.Demo, Interrupted: true,
		Kinds: []*speculate.Kind{{
			Name: "edit", Prompt: 1, Answer: 2, Times: 2, TimesLeast: 2, TimesMost: 2, PlainTS: 1, GuessedTS: 2, Right: 0.5, OfTokens: 0.5,
			Turns: []speculate.Turn{{PlainNS: 2, GuessedNS: 1, Guessed: 2, Right: 1}}, Incomplete: true,
		}},
	}
	valid(t, schema, r, true)
	r.Kinds[0].Turns = []speculate.Turn{}
	valid(t, schema, r, false)
	r.Vocabulary, r.Kinds = "Esperanto", []*speculate.Kind{}
	valid(t, schema, r, false)
	valid(t, schema, speculate.Report{}, false)
}

package sweep

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qgo/bench/machine"
)

// TestSchema validates the lines of a result with all their fields: what the
// schema does not describe, it does not allow.
func TestSchema(t *testing.T) {
	const schema = "../../docs/schema/qgo.sweep-1.schema.json#/$defs/"
	h := Header{Schema: Schema, Commit: "abc", GPU: "gpu", Machine: machine.Info{CPU: "cpu"}, Plan: Plan{
		Title: "title", Models: []string{"m"}, Tests: []string{"pp1"}, Threads: []int{1}, Busy: []int{0}, Device: "cpu", Rule: usual,
		Engines: []Engine{{"name", "llama-bench", []string{"-x"}, map[string]string{"A": "b"}}},
	}}
	c := decode(1, 2)
	c.Engines[1] = EngineRun{"other", "build", 1, "error"}
	bad := *c
	bad.Binds = "luck"
	for _, test := range []struct {
		part string
		v    any
		ok   bool
	}{
		{"header", h, true}, {"cell", c, true}, {"cell", bad, false}, {"cell", h, false}, {"header", Header{}, false},
	} {
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		s, err := compiler.Compile(schema + test.part)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(test.v)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != test.ok {
			t.Errorf("%s as %s: %v, want ok: %v", line, test.part, err, test.ok)
		}
	}
}

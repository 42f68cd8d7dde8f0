package format

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/kernels/plan"
)

// Schemas of what is written as JSON.
const (
	schemas       = "../../docs/schema/"
	benchSchema   = schemas + "qgo.bench-1.schema.json"
	compareSchema = schemas + "qgo.bench.compare-1.schema.json"
)

// checked validates JSON against a schema or a part of one.
func checked(t *testing.T, schema string, data []byte) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// full is a report with all fields.
func full(t *testing.T) *bench.Report {
	t.Helper()
	r := varied(t)
	rate := bench.Rate{Best: 2, Median: 1, Passes: 3}
	peaks := []bench.PeakRate{{Type: "fp32", Instruction: "fma", Rate: rate}}
	r.Ceilings = []*bench.Ceilings{{Threads: 4, Kernels: "go", Read: rate, Copy: rate, Triad: rate, Peaks: peaks}}
	r.GPU = &bench.GPUCeilings{Device: "cuda:0", DeviceInfo: plan.DeviceInfo{Name: "gpu"}, Read: rate, Peaks: peaks}
	r.Series = machine.Series{
		Zones: []machine.Zone{{Name: "z", Passive: 70}}, Rails: []machine.Rail{{Name: "r", Total: true}}, Events: []string{"an event"},
		Slowdowns: []machine.Slowdown{{From: time.Second, To: 2 * time.Second, Reason: "an event"}},
		Samples:   []machine.Sample{{At: time.Second, CPU: 0.5, Steal: 0.1, Temps: []float64{40}, Watts: []float64{-1}}},
	}
	r.Machine.Zones, r.Machine.Rails, r.Machine.Governors = r.Series.Zones, r.Series.Rails, []string{"performance"}
	r.Machine.NoPower = "a reason"
	r.Ceilings[0].PowerMode, r.GPU.PowerMode, r.GPUModes = "rapl=15", "rapl=15", []*bench.GPUCeilings{r.GPU}
	r.Warnings, r.Harness, r.Interrupted = []string{"a warning"}, &bench.Harness{ClockNS: 20}, true
	first := r.Results[0]
	first.Load, first.GPUCost, first.Incomplete, first.Paired = &bench.Load{WarmNS: 1}, first.Cost, true, true
	for i := range first.Reps {
		first.Reps[i].State = bench.Mixed
	}
	return r
}

// TestSchema validates what is written as JSON against the schemas, and what is
// no report.
func TestSchema(t *testing.T) {
	old := &bench.Report{Schema: bench.Schema, Results: []*bench.Result{}}
	old.Series.Samples = []machine.Sample{}
	for name, r := range map[string]*bench.Report{"report": report(t), "varied": varied(t), "full": full(t), "empty": old} {
		if err := checked(t, benchSchema, []byte(write(t, r, "json"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for line := range strings.Lines(write(t, r, "jsonl")) {
			if err := checked(t, benchSchema+"#/$defs/line", []byte(line)); err != nil {
				t.Errorf("%s as a line: %v", name, err)
			}
		}
	}
	// What was read is written as it should be, even if another tool wrote it.
	for name, text := range llamaBench {
		r, err := Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := checked(t, benchSchema, []byte(write(t, r, "json"))); err != nil {
			t.Errorf("llama-bench's %s: %v", name, err)
		}
	}
	c, err := bench.Compare(full(t), varied(t), false)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked(t, compareSchema, data); err != nil {
		t.Errorf("a comparison: %v", err)
	}
	for _, bad := range []string{`{}`, `[]`, strings.Replace(write(t, full(t), "json"), `"qgo.bench/1"`, `"qgo.bench/2"`, 1), strings.Replace(write(t, full(t), "json"), `"n_gen": 0`, `"n_gen": "0"`, 1)} {
		if checked(t, benchSchema, []byte(bad)) == nil {
			t.Errorf("%.60q fits the schema", bad)
		}
	}
}

// schemaType is a description of an object in a schema.
type schemaType struct {
	Ref        string                `json:"$ref"`
	Type       string                `json:"type"`
	Text       string                `json:"description"`
	Properties map[string]schemaType `json:"properties"`
	Items      *schemaType           `json:"items"`
	Required   []string              `json:"required"`
	Defs       map[string]schemaType `json:"$defs"`
}

// walk compares a type with its schema, field by field.
type walk struct {
	t    *testing.T
	defs map[string]schemaType
	seen map[reflect.Type]bool
}

func (w *walk) check(at string, typ reflect.Type, s schemaType) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if _, name, ok := strings.Cut(s.Ref, "#/$defs/"); ok {
		if s = w.defs[name]; s.Type == "" {
			w.t.Errorf("%s: no description of %s", at, name)
		}
	}
	want := "string"
	switch typ.Kind() {
	case reflect.Struct:
		if typ != reflect.TypeFor[time.Time]() {
			want = "object"
			w.fields(at, typ, s)
		}
	case reflect.Map:
		want = "object"
	case reflect.Slice:
		want = "array"
		w.check(at+"[]", typ.Elem(), *s.Items)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		want = "integer"
	case reflect.Float64:
		want = "number"
	case reflect.Bool:
		want = "boolean"
	}
	if s.Type != want {
		w.t.Errorf("%s is described as %q, want %q", at, s.Type, want)
	}
}

func (w *walk) fields(at string, typ reflect.Type, s schemaType) {
	if w.seen[typ] {
		return
	}
	w.seen[typ] = true
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		known[name] = true
		field, ok := s.Properties[name]
		if !ok || field.Text == "" {
			w.t.Errorf("%s.%s is not described", at, name)
			continue
		}
		if optional := strings.Contains(options, "omit"); optional == slices.Contains(s.Required, name) {
			w.t.Errorf("%s.%s: whether it may be left out is described wrongly", at, name)
		}
		w.check(at+"."+name, f.Type, field)
	}
	for name := range s.Properties {
		if !known[name] {
			w.t.Errorf("%s.%s is described, and there is none", at, name)
		}
	}
}

// TestSchemaFields checks that all fields that are written are described, and
// no others.
func TestSchemaFields(t *testing.T) {
	checkFieldsOf(t, benchSchema, "report", reflect.TypeFor[bench.Report]())
	checkFieldsOf(t, compareSchema, "comparison", reflect.TypeFor[bench.Comparison]())
}

// checkFieldsOf compares a type with a definition of a schema, which may refer to
// those of bench's.
func checkFieldsOf(t *testing.T, path, def string, typ reflect.Type) {
	t.Helper()
	defs := map[string]schemaType{}
	for _, path := range []string{benchSchema, path} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var s schemaType
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		maps.Copy(defs, s.Defs)
	}
	w := &walk{t, defs, map[reflect.Type]bool{}}
	w.check(typ.Name(), typ, defs[def])
}

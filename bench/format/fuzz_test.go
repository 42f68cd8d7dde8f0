package format

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"qgo/bench"
)

// FuzzRead reads results in any form. What is read can be written in all forms
// and compared, and JSON is read as the same number of results again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`[{"n_prompt":512,"n_gen":0,"avg_ts":100,"samples_ts":[99,101],"model_type":"qwen2 0.5B Q4_0"}]`))
	f.Add([]byte("{\"n_prompt\":0,\"n_gen\":128,\"avg_ns\":5}\n{\"n_prompt\":1,\"n_gen\":1,\"avg_ts\":3}"))
	f.Add([]byte("n_prompt,n_gen,avg_ts,cpu_info\n512,0,12.5,\"a, b\"\n"))
	f.Add([]byte("| model | size | params | threads | test | t/s |\n| --- | --- | --- | --- | --- | --- |\n| qwen2 | 1.5 GiB | 0.49 B | 2 | tg128 @ d512 | 20.1 ± 0.2 |\n"))
	cases, err := filepath.Glob("../../../shared/cases/results/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			return
		}
		if len(r.Results) == 0 {
			t.Fatal("no results and no error")
		}
		for _, name := range Names {
			var out bytes.Buffer
			if err := Write(&out, r, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name != "json" {
				continue
			}
			if again, err := Read(out.Bytes()); err != nil || len(again.Results) != len(r.Results) {
				t.Errorf("%d results are not read again: %v", len(r.Results), err)
			}
		}
		changes, unmatched := bench.Compare(r, r)
		if len(changes)+len(unmatched) == 0 {
			t.Error("compared with itself, it has nothing")
		}
	})
}

package format

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"qgo/bench"
	"qgo/bench/html"
)

// ownScripts are a page's own, which are always the same.
var ownScripts = regexp.MustCompile(`(?s)<script id="(plot|charts)">.*?</script>`)

// FuzzRead reads results in any form. What is read can be written in all forms
// and compared, makes a page, sends a terminal nothing to obey, and as JSON is
// read as the same number of results again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`[{"n_prompt":512,"n_gen":0,"avg_ts":100,"samples_ts":[99,101],"model_type":"qwen2 0.5B Q4_0"}]`))
	f.Add([]byte("{\"n_prompt\":0,\"n_gen\":128,\"avg_ns\":5}\n{\"n_prompt\":1,\"n_gen\":1,\"avg_ts\":3}"))
	f.Add([]byte("n_prompt,n_gen,avg_ts,cpu_info\n512,0,12.5,\"a, b\"\n"))
	f.Add([]byte("| model | size | params | threads | test | t/s |\n| --- | --- | --- | --- | --- | --- |\n| qwen2 | 1.5 GiB | 0.49 B | 2 | tg128 @ d512 | 20.1 ± 0.2 |\n"))
	f.Add([]byte(`{"schema":"qgo.bench/1","results":[{"n_prompt":1,"measured_bound":{},"gflop_per_second":1}]}`))
	f.Add([]byte(`[{"n_gen":2,"samples_ts":[1],"engine":"\u001b]0;pwn\u0007"}]`))
	f.Add([]byte(`[{"n_gen":2,"samples_ts":[1],"ops":[{"phase":"decode","op":"\u001b]0;pwn\u0007|","ns":1e24,"bound_ns":1e-24,"bytes":1e24},{"phase":"decode","op":"all","ns":1e-24}]}]`))
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
			if bytes.ContainsAny(out.Bytes(), "\x1b\a\u009b") && name != "json" && name != "jsonl" {
				t.Errorf("%s has characters that a terminal obeys: %q", name, out.Bytes())
			}
			if name != "json" {
				continue
			}
			if again, err := Read(out.Bytes()); err != nil || len(again.Results) != len(r.Results) {
				t.Errorf("%d results are not read again: %v", len(r.Results), err)
			}
		}
		if c, err := bench.Compare(r, r, false); err == nil { // not ambiguous
			if len(c.Changes) != len(r.Results) || len(c.Unmatched) != 0 {
				t.Errorf("compared with itself, %d of %d results match", len(c.Changes), len(r.Results))
			}
			if _, err := json.Marshal(c); err != nil {
				t.Error(err)
			}
		}
		var page bytes.Buffer
		if err := html.Write(&page, []*bench.Report{r, r}); err != nil {
			t.Error(err)
		}
		text := ownScripts.ReplaceAll(page.Bytes(), nil)
		if bytes.ContainsAny(text, "\x1b\a") || bytes.Contains(text, []byte("NaN")) && !bytes.Contains(b, []byte("NaN")) {
			t.Error("the page has a control character, or a number that is none")
		}
	})
}

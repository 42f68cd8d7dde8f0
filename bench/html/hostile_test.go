package html

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/kernels/plan"
)

// hostile is what a text may try to do to a page.
const hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028\"'`${x}{{.}}--><!--"

// infect sets every text in v.
func infect(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			infect(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				infect(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			infect(v.Index(i))
		}
	case reflect.String:
		v.SetString(hostile)
	}
}

// TestHostile lets no text of a file be markup or a script.
func TestHostile(t *testing.T) {
	r := report(t)
	r.Series.Events, r.Machine.Governors = []string{"e"}, []string{"g"}
	r.GPU = &bench.GPUCeilings{DeviceInfo: plan.DeviceInfo{Name: "x"}, Peaks: []bench.PeakRate{{Type: "fp32"}}}
	infect(reflect.ValueOf(r))
	half := len(r.Results) / 2
	for _, res := range r.Results[:half] { // or the page has no scenario, and no GPU
		res.Scenario = ""
		res.GPULayers = 1
	}
	page, charts := written(t, []*bench.Report{r, report(t)}, hostile, "b.json")
	if len(charts) < 10 {
		t.Errorf("%d charts", len(charts))
	}
	if n := strings.Count(page, "<script"); n != 1 { // that of the data
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{"<img", "<!--", "alert(1)</script>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	_, data, _ := strings.Cut(page, `id="data"`)
	data, _, _ = strings.Cut(data[1:], "</script>")
	if i := strings.IndexAny(data[strings.Index(data, ">")+1:], "<>\u2028\u2029"); i >= 0 {
		t.Errorf("the data are not escaped: %.40q", data[i:])
	}
}

// TestSize keeps pages under 1 MB, and says what they leave out.
func TestSize(t *testing.T) {
	one := report(t)
	long := *one
	long.Results = nil
	for i := range 5000 {
		res := *one.Results[i%len(one.Results)]
		res.Threads, res.Batch = 1+i%64, 1+i
		long.Results = append(long.Results, &res)
	}
	longest := long
	longest.Results = nil
	for i, res := range long.Results {
		worse := *res
		worse.ModelFilename = fmt.Sprintf("%d%s", i, strings.Repeat("<'\">&", 100))
		worse.Engine, worse.GPUInfo, worse.Backends, worse.GPULayers = worse.ModelFilename, worse.ModelFilename, "CUDA", 1
		longest.Results = append(longest.Results, &worse)
	}
	longest.Warnings = make([]string, 3000)
	for i := range longest.Warnings {
		longest.Warnings[i] = strings.Repeat("<\"", 5000)
	}
	longest.Ceilings = []*bench.Ceilings{{Threads: 1, Peaks: make([]bench.PeakRate, 100000)}}
	for range 1000 {
		longest.Series.Zones = append(longest.Series.Zones, machine.Zone{Name: hostile})
	}
	for i := range 2000 {
		longest.Series.Samples = append(longest.Series.Samples, machine.Sample{At: time.Duration(i), Temps: slices.Repeat([]float64{50.123456}, 1000)})
	}
	many := make([]*bench.Report, 100)
	for i := range many {
		many[i] = &longest
	}
	for name, reports := range map[string][]*bench.Report{"5000 results": {&long}, "5000 results with long names": {&longest}, "4 long files": many[:4]} {
		var b bytes.Buffer
		if err := Write(&b, reports); err != nil {
			t.Fatal(err)
		}
		if b.Len() >= 1e6 {
			t.Errorf("%s: %d bytes", name, b.Len())
		}
		want := "The plots leave out the last "
		if name == "5000 results" {
			want += "4800 results"
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: no %q", name, want)
		}
		if rows := strings.Count(b.String(), "<tr") - 1; rows < 5000 && !strings.Contains(b.String(), "The table leaves out the last ") {
			t.Errorf("%s: %d rows, and nothing says so", name, rows)
		}
		t.Logf("%s: %d bytes", name, b.Len())
	}
	for _, r := range many {
		r.Results = longest.Results[:20]
	}
	var b bytes.Buffer
	if err := Write(&b, many); err != nil || b.Len() >= 1e6 || !strings.Contains(b.String(), "more files are left out") {
		t.Errorf("100 files: %d bytes, %v", b.Len(), err)
	}
}

package driver

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForHopper makes the modules that are embedded Hopper's. Of those for steps of several sequences and for
// tokens all kernels begin early that are launched there, and so do those for the largest logits; none of
// them writes to the GPU's memory before it waits. The other modules stay as they are.
func TestForHopper(t *testing.T) {
	files, err := filepath.Glob("../ptx/*.ptx")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	writes := regexp.MustCompile(`\b(st\.[^s]|atom|red)`) // but to shared memory
	modules := map[string]int{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".ptx")
		text, early := ForHopper(string(b))
		var want []string
		if typ, ok := strings.CutPrefix(name, "sm_80_batch_"); ok {
			modules["batch"]++
			want = []string{"batch16_" + typ, "batch32_" + typ, "batch8_" + typ, "few_" + typ, "given_" + typ, "next_" + typ, "slots_" + typ, "stream_" + typ}
		} else if suffix, ok := strings.CutPrefix(name, "sm_80_rows"); ok {
			modules["rows"]++
			want = []string{"joinSpans" + suffix, "spans" + suffix, "turn" + suffix}
			if strings.HasSuffix(suffix, "F16") {
				want = append(want, "headSpans"+suffix)
			}
		} else if suffix, ok := strings.CutPrefix(name, "sm_80_token"); ok {
			modules["token"]++
			want = []string{"token" + suffix}
		} else if suffix, ok := strings.CutPrefix(name, "sm_80_headToken"); ok {
			modules["token"]++
			want = []string{"headToken" + suffix}
		} else if name == "sm_53_common" {
			want = []string{"topOfPart", "topOfRow"}
		} else if text != string(b) {
			t.Errorf("%s: changed", name)
		}
		var got []string
		for k := range early {
			got = append(got, k)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v begin early, want %v", name, got, want)
		}
		if want == nil {
			continue
		}
		if !strings.Contains(text, "\n.version 8.0\n.target sm_90\n") || strings.Contains(text, "sm_90 ") {
			t.Errorf("%s: not for compute capability 9.0", name)
		}
		for _, k := range strings.Split(text, ".entry ")[1:] {
			kernel, body, _ := strings.Cut(k, "(")
			before, _, waits := strings.Cut(body, "\tgriddepcontrol.wait;\n")
			if waits && writes.MatchString(before) {
				t.Errorf("%s writes before it waits", kernel)
			}
			if waits && !strings.Contains(before, "\tgriddepcontrol.launch_dependents;\n") {
				t.Errorf("%s does not let the next one begin before it waits", kernel)
			}
		}
	}
	if modules["batch"] < 15 || modules["rows"] != 6 || modules["token"] != 8 {
		t.Errorf("of the modules with such kernels there are %v", modules)
	}
}

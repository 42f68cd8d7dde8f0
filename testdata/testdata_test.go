package testdata

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestComplete looks for every file of the larger set, whether or not another
// test reads it.
func TestComplete(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(here(), "larger-set.txt"))
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(here(), "..", "..", "shared")
	var missing []string
	for name := range strings.FieldsSeq(string(list)) {
		if s, err := os.Stat(filepath.Join(shared, filepath.FromSlash(name))); err != nil || s.Size() == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		Missing(t, "%d files of the larger set: %s", len(missing), strings.Join(missing, " "))
	}
}

// TestMissing runs Missing with and without the environment variable.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		strict          string
		skipped, failed bool
	}{{"", true, false}, {"1", false, true}} {
		t.Setenv(Strict, c.strict)
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Missing(r, "a %s", "tool")
		}()
		<-done
		if r.skipped != c.skipped || r.failed != c.failed || r.text != "missing: a tool" {
			t.Errorf("%s=%q: skipped %v, failed %v, %q; want %v, %v", Strict, c.strict, r.skipped, r.failed, r.text, c.skipped, c.failed)
		}
	}
}

// recorder records how a test ends.
type recorder struct {
	testing.TB
	skipped, failed bool
	text            string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped, r.text = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed, r.text = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

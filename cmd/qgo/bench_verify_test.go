package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchVerify checks a file as bench wrote it and one in which a figure was
// changed.
func TestBenchVerify(t *testing.T) {
	dir := t.TempDir()
	file, forged := filepath.Join(dir, "a.json"), filepath.Join(dir, "forged.json")
	succeed(t, "", quick("--out", file)...)
	if out := succeed(t, "", "bench", "verify", file); !strings.Contains(out, "2 results, no fault found") {
		t.Errorf("of an honest file: %s", out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(forged, []byte(strings.Replace(string(text), `"median_ts": `, `"median_ts": 1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := qgo("", "bench", "verify", file, forged)
	if code != 1 || !strings.Contains(out, "median_ts is 1") || !strings.Contains(errOut, "1 file does not hold together") {
		t.Errorf("of a forged file: exit %d\n%s%s", code, out, errOut)
	}
	if code, _, _ := qgo("", "bench", "verify"); code != exitUsage {
		t.Errorf("without a file: exit %d", code)
	}
}

// Package testdata finds the files that tests read: those committed beside
// this file, and a larger optional set that only some machines have.
package testdata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of a test file, given by its elements below the
// fixtures' root, for example Path(t, "blocks", "q4_0.bin"). It looks beside
// this source file first and in ../shared/fixtures next to the repository
// second; a test whose file is in neither place is skipped.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	for _, dir := range roots() {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skipf("no test file %s: it belongs to the optional larger set of fixtures", name)
	return ""
}

// Read returns the contents of a test file; see [Path].
func Read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func roots() []string {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return nil
	}
	dir := filepath.Dir(self)
	return []string{dir, filepath.Join(dir, "..", "..", "shared", "fixtures")}
}

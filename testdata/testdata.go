// Package testdata finds the files that tests read: those committed beside
// this file, and a larger optional set that only some machines have.
package testdata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Strict is the environment variable that makes a test fail where it would
// otherwise be skipped because the machine lacks a file or a tool.
const Strict = "QGO_TEST_STRICT"

// Missing ends a test that needs what the machine lacks: the test is skipped,
// or fails if [Strict] is set. The test's own goroutine must call it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(Strict) != "" {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// Path returns the path of a test file, given by its elements below the
// fixtures' root, for example Path(t, "blocks", "q4_0.bin"). It looks beside
// this source file first and in ../shared/fixtures next to the repository
// second; where the file is in neither place it is [Missing].
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	for _, dir := range roots() {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	Missing(t, "the file %s, of the larger set of fixtures", filepath.ToSlash(name))
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
	dir := here()
	return []string{dir, filepath.Join(dir, "..", "..", "shared", "fixtures")}
}

// here is the folder of this file.
func here() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Dir(self)
}

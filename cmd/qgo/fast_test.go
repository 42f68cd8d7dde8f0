package main

import (
	"strings"
	"testing"
)

// TestFastNote says so where --fast makes no difference: the demonstration
// model's weights are integers. The answer is the same.
func TestFastNote(t *testing.T) {
	args := []string{"chat", "-p", "What does strings.ToUpper do?", "--temp", "0"}
	_, plain, _ := qgo("", args...)
	code, out, errOut := qgo("", append(args, "--fast")...)
	if code != 0 || out != plain || !strings.Contains(errOut, "--fast makes no difference here") {
		t.Errorf("exit %d, %q instead of %q, note %q", code, out, plain, errOut)
	}
}

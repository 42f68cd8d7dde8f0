package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestBenchSpeculateInterrupted expects that what was measured until Ctrl-C is shown
// and marked.
func TestBenchSpeculateInterrupted(t *testing.T) {
	var out bytes.Buffer
	errOut := &interrupter{after: 300 * time.Millisecond} // after the first pair
	if code := run(guessing("-r", "1000000"), strings.NewReader(""), &out, errOut); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	if said := errOut.String(); !strings.HasPrefix(said, "This takes about ") || !strings.HasSuffix(said, ".\nqgo: interrupted\n") {
		t.Errorf("it says %q", said)
	}
	if text := out.String(); !strings.Contains(text, "\nedit * ") || strings.Contains(text, "\nquotes") || strings.Contains(text, "token by token") || !strings.HasSuffix(text, "\nThe run was broken off: what is marked with * is not complete.\n") {
		t.Errorf("%s", text)
	}
}

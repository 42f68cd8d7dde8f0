package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"qgo/bench/format"
)

// interrupter sends this process an interrupt some time after text was written.
type interrupter struct {
	bytes.Buffer
	after time.Duration
	sent  bool
}

func (i *interrupter) Write(b []byte) (int, error) {
	if !i.sent {
		i.sent = true
		time.AfterFunc(i.after, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGINT) })
	}
	return i.Buffer.Write(b)
}

// TestBenchInterrupted expects that files of a run that Ctrl-C ended do not look
// like those of a whole one.
func TestBenchInterrupted(t *testing.T) {
	dir := t.TempDir()
	file, page := filepath.Join(dir, "r.csv"), filepath.Join(dir, "r.html")
	var out bytes.Buffer
	errOut := &interrupter{after: 2 * time.Second} // after it says how long it takes, for many repetitions
	args := append(quick("-r", "1000000", "-o", "csv"), "--out", file, "--report", page)
	if code := run(args, strings.NewReader(""), &out, errOut); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	said := strings.Split(strings.TrimSuffix(errOut.String(), "\n"), "\n")
	said = slices.DeleteFunc(said, func(line string) bool { // about the machine, which may be busy
		return strings.HasPrefix(line, "Warning: ") || strings.HasPrefix(line, "  ")
	})
	if len(said) != 2 || !strings.HasPrefix(said[0], "This takes about ") || said[1] != "qgo: interrupted" {
		t.Errorf("it says %q", said)
	}
	r, err := format.ReadFile(file + ".partial")
	if err != nil || len(r.Results) == 0 || !r.Results[len(r.Results)-1].Incomplete {
		t.Errorf("%v, %+v", err, r)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || strings.Join(left, " ") != file+".partial "+page+".partial" {
		t.Errorf("files %q, %v", left, err)
	}
}

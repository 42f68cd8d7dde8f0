//go:build unix

package main

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"
)

// silent is an input that never delivers; it tells when it is first read.
type silent chan struct{}

func (s silent) Read([]byte) (int, error) {
	close(s)
	select {}
}

// TestInterrupted sends an interrupt to commands that wait or work: they end,
// and leave nothing behind.
func TestInterrupted(t *testing.T) {
	caught := make(chan os.Signal, 2) // so that the signals do not end the tests
	signal.Notify(caught, os.Interrupt)
	defer signal.Stop(caught)
	dir := t.TempDir()
	part := filepath.Join(dir, "x.gguf.*.part")
	in := make(silent)
	for _, c := range []struct {
		args  []string
		begun func() bool
	}{
		{[]string{"tokenize"}, func() bool {
			select {
			case <-in:
				return true
			default:
				return false
			}
		}},
		{[]string{"synth", "3b", "q2_k", "--out", filepath.Join(dir, "x.gguf")}, func() bool {
			parts, err := filepath.Glob(part)
			return err == nil && len(parts) > 0
		}},
	} {
		code := make(chan int)
		go func() {
			var out, errOut bytes.Buffer
			code <- run(c.args, in, &out, &errOut)
		}()
		for deadline := time.Now().Add(time.Minute); !c.begun(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("qgo %q does not begin", c.args)
			}
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if err := self.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-code:
			if got != exitInterrupted {
				t.Errorf("qgo %q: exit %d, want %d", c.args, got, exitInterrupted)
			}
		case <-time.After(time.Minute):
			t.Fatalf("qgo %q goes on", c.args)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

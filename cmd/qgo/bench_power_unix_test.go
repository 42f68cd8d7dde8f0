//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// whenSet calls act once a file holds a text.
func whenSet(path, want string, act func()) {
	go func() {
		for range 1200 {
			if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == want {
				act()
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

// TestPowerInterrupted restores what was set after a Ctrl-C, and says how to
// restore what it cannot.
func TestPowerInterrupted(t *testing.T) {
	for _, lost := range []bool{false, true} {
		governor := governed(t)
		whenSet(governor, "powersave", func() {
			if lost {
				_ = os.Remove(governor)
				_ = os.Mkdir(governor, 0o700) // which nobody can write
			}
		})
		var out, errOut bytes.Buffer
		code := run(quick("-r", "1000000", "--power-modes", "governor=powersave"), strings.NewReader(""), &out, &errOut)
		if code != exitInterrupted {
			t.Errorf("exit %d", code)
		}
		said := "not restored"
		if lost {
			said = "; by hand: echo schedutil | sudo tee " + filepath.ToSlash(governor)
		} else if got := fileText(t, governor); got != "schedutil" {
			t.Errorf("the governor stays %s", got)
		}
		if flat := strings.Join(strings.Fields(errOut.String()), " "); strings.Contains(flat, said) != lost || strings.Count(flat, "not restored") > 1 {
			t.Errorf("it says %q", flat)
		}
	}
}

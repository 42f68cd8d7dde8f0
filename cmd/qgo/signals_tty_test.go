//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestChatSignals ends a chat at its prompt and while it answers: the exit code
// is the signal's, and the terminal echoes as before.
func TestChatSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		for _, asked := range []bool{false, true} {
			c := start(t, nil, "chat", "--ctx", "2048")
			c.expect("\n>")
			if asked {
				c.say("What does strings.ToUpper do?")
				c.expect("ToUpper returns")
			}
			if err := c.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if code := c.wait(); code != 128+int(s) {
				t.Errorf("%v: exit code %d, want %d", s, code, 128+int(s))
			}
			mode, err := unix.IoctlGetTermios(int(c.tty.Fd()), getTermios)
			if err != nil {
				t.Fatal(err)
			}
			if want := uint32(unix.ECHO | unix.ICANON | unix.ISIG); mode.Lflag&want != want || mode.Iflag&unix.ICRNL == 0 {
				t.Errorf("%v: the terminal is left with the modes %#x, %#x", s, mode.Lflag, mode.Iflag)
			}
		}
	}
}

// TestInterruptInput presses Ctrl-C once while the standard input delivers
// nothing.
func TestInterruptInput(t *testing.T) {
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command(os.Args[0], "chat", "-p", "x")
	cmd.Env, cmd.Stdin = append(os.Environ(), "QGO_TEST_RUN=1"), in
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	// The note that it waits says that the handler is there.
	note := make([]byte, len("qgo: waiting for the standard input"))
	if _, err := io.ReadFull(said, note); err != nil || string(note) != "qgo: waiting for the standard input" {
		t.Fatalf("%q, %v", note, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	rest, _ := io.ReadAll(said)
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(string(rest), "\nqgo: interrupted\n") || time.Since(begin) > patience {
		t.Errorf("exit code %d (%v) after %v, %q; want 130 at once", code, err, time.Since(begin), rest)
	}
}

// What is measured here is several times as much with the race detector.

//go:build !race

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenizeMemory bounds the memory of the whole program by ten times the
// text, for texts of many tokens and of words as long as they may be.
func TestTokenizeMemory(t *testing.T) {
	const size = maxTextBytes - 1000
	for name, text := range map[string]string{
		"words":      "go test runs the tests of a package\n",
		"digits":     "1234567 ",
		"base64":     "TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcms+/h7Zq0x",
		"long words": strings.Repeat("a", 1<<19-1) + " ",
		"ideographs": "日本語の文章です。",
		"decomposed": "gro\u0308\u00dfer e\u0301le\u0300ve ",
	} {
		t.Run(name, func(t *testing.T) {
			input := strings.Repeat(text, size/len(text))
			cmd := exec.Command(os.Args[0], "tokenize")
			cmd.Env = append(os.Environ(), "QGO_TEST_RUN=1")
			cmd.Stdin = strings.NewReader(input)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			// All ids are there when the first is written, and the program
			// waits until they are read.
			if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			peak := peakMemory(t, cmd.Process.Pid)
			if ratio := float64(peak) / float64(len(input)); ratio > 10 {
				t.Errorf("%d bytes for a text of %d: %.1f times", peak, len(input), ratio)
			}
		})
	}
}

// peakMemory returns the most bytes of memory that a process has had.
func peakMemory(t *testing.T, pid int) (n int) {
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(rest, "%d kB", &n); err != nil {
		t.Fatalf("no peak in %q: %v", status, err)
	}
	return n << 10
}

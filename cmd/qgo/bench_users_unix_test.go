//go:build unix

package main

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestBenchUsersInterrupted expects that what was measured until Ctrl-C is shown
// and marked.
func TestBenchUsersInterrupted(t *testing.T) {
	url, _ := chatServer(t, 0, func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n < 7 { // the warm-up, 2 requests of the first user, 3 of the second
			return true
		}
		if n == 7 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
		}
		<-r.Context().Done()
		return false
	})
	code, out, errOut := qgo("", "bench", "users", "--url", url, "--users", "1,2,4", "--requests", "2", "--ttft", "1h", "--tpot", "1h")
	if code != exitInterrupted || errOut != "qgo: interrupted\n" {
		t.Errorf("exit %d, %q", code, errOut)
	}
	for _, want := range []string{"\n    1 ", "\n  2 * ", "\n1 person at once: ", "\nThe run was broken off: what is marked with * is not complete.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "failed") || strings.Contains(out, "\n    4 ") {
		t.Errorf("what was broken off is counted:\n%s", out)
	}
}

package sweep

import (
	"fmt"
	"os/exec"
)

// spin computes until its parent is gone.
const spin = "while kill -0 $PPID 2>/dev/null; do :; done"

// busyLoops starts n processes that compute for ever, and returns what ends them.
func busyLoops(n int) (stop func(), err error) {
	var all []*exec.Cmd
	stop = func() {
		for _, c := range all {
			_ = c.Process.Kill()
			_ = c.Wait() // it was killed
		}
	}
	for range n {
		c := exec.Command("sh", "-c", spin)
		if err := c.Start(); err != nil {
			stop()
			return nil, fmt.Errorf("a busy loop cannot be started: %w", err)
		}
		all = append(all, c)
	}
	return stop, nil
}

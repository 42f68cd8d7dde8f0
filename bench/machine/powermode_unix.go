//go:build unix

package machine

import (
	"os/exec"
	"syscall"
)

// detach keeps a terminal's Ctrl-C from a program: what restores must end.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

//go:build !unix

package machine

import "os/exec"

// detach does nothing: nvpmodel is a program of Linux.
func detach(*exec.Cmd) {}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// stateDir is where the history and saved sessions are: $XDG_STATE_HOME/qgo,
// or what corresponds to it.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "qgo"), nil
	}
	if runtime.GOOS != "linux" {
		if dir, err := os.UserConfigDir(); err == nil {
			return filepath.Join(dir, "qgo"), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no place for qgo's files: %w; set XDG_STATE_HOME to one", err)
	}
	return filepath.Join(home, ".local", "state", "qgo"), nil
}

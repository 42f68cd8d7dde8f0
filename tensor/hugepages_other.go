//go:build unix && !linux

package tensor

func hugePages([]byte) {}

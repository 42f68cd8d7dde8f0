//go:build unix

package main

import "golang.org/x/sys/unix"

// quiet stops a terminal from showing what is typed, and from waiting for the
// end of a line with it, until restore is called: what is typed while an
// answer is printed is for the next message. Ctrl-C works as ever.
func quiet(fd uintptr) (restore func()) {
	before, err := unix.IoctlGetTermios(int(fd), getTermios)
	if err != nil {
		return func() {}
	}
	t := *before
	t.Lflag &^= unix.ECHO | unix.ICANON
	t.Lflag |= unix.NOFLSH // Ctrl-C leaves what was typed before it
	t.Iflag &^= unix.ICRNL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(int(fd), setTermios, &t) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(int(fd), setTermios, before) }
}

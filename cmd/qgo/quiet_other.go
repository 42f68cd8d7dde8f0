//go:build !unix

package main

// quiet is for terminals that can be told not to show what is typed.
func quiet(uintptr) (restore func()) { return func() {} }

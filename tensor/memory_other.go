//go:build !linux

package tensor

// Memory returns how much more memory the program can take without swapping;
// false if the system does not say.
func Memory() (Limit, bool) { return Limit{}, false }

// AddressSpace returns how much more memory, that of mapped files included, the
// program can have in its address space; false if that is not limited.
func AddressSpace() (Limit, bool) { return Limit{}, false }

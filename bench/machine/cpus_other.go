//go:build !linux

package machine

// allowedCPUs returns the logical CPUs that this process may use, by the names
// that the system has for them; nil if that is not known.
func allowedCPUs() map[string]bool { return nil }

//go:build !linux

package bench

// dropCache drops a file's pages from the page cache.
func dropCache(string) bool { return false }

//go:build !unix

package tensor

func allocate(size int, _ bool) ([]byte, func() error, error) {
	return Make[byte](size), func() error { return nil }, nil
}

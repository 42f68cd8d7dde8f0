package kernels

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// sharedMemory maps memory that all processes of the session that ask for that
// name have in common. It is zero at first.
func sharedMemory(name string, size int) ([]byte, error) {
	path, err := windows.UTF16PtrFromString(`Local\qgo-` + name)
	if err != nil {
		return nil, err
	}
	mapping, err := windows.CreateFileMapping(windows.InvalidHandle, nil, windows.PAGE_READWRITE, 0, uint32(size), path)
	if err != nil && mapping == 0 {
		return nil, err
	}
	defer windows.CloseHandle(mapping) // the view keeps it alive
	addr, err := windows.MapViewOfFile(mapping, windows.FILE_MAP_READ|windows.FILE_MAP_WRITE, 0, 0, uintptr(size))
	if err != nil {
		return nil, err
	}
	// The address is no Go memory, so that the rules for unsafe.Pointer, which
	// vet checks for conversions from uintptr, have nothing to protect.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size), nil
}

package gguf

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// errNoRoom says that a file cannot be mapped for lack of addresses: in memory it
// would take as many.
const errNoRoom = windows.ERROR_NOT_ENOUGH_MEMORY

func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	mapping, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	defer windows.CloseHandle(mapping) // the view keeps it alive
	addr, err := windows.MapViewOfFile(mapping, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	// The address is no Go memory, so that the rules for unsafe.Pointer, which
	// vet checks for conversions from uintptr, have nothing to protect.
	data = unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size)
	return data, func() error { return windows.UnmapViewOfFile(addr) }, nil
}

func dropPages([]byte) {}

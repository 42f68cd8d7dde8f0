//go:build cuda

package nvml

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
//
// typedef struct qgo_nvml qgo_nvml;
// qgo_nvml *qgo_nvml_open(const char *library, const char *pci, const char **error);
// int qgo_nvml_read(qgo_nvml *n, int what, unsigned long long *value);
import "C"

import (
	"fmt"
	"unsafe"
)

// Device is a GPU. It is kept until the program ends.
type Device struct{ handle *C.qgo_nvml }

// Open finds the GPU at an address on the PCI bus, such as 0000:01:00.0.
func Open(library, pci string) (*Device, error) {
	name, address := C.CString(library), C.CString(pci)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(address))
	var reason *C.char
	handle := C.qgo_nvml_open(name, address, &reason)
	if handle == nil {
		return nil, fmt.Errorf("nvml: no readings of the GPU at %s: %s", pci, C.GoString(reason))
	}
	return &Device{handle}, nil
}

func (d *Device) read(what int) (uint64, bool) {
	var v C.ulonglong
	ok := C.qgo_nvml_read(d.handle, C.int(what), &v)
	return uint64(v), ok != 0
}

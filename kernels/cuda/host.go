package cuda

import (
	"errors"
	"runtime"
	"unsafe"

	"qgo/kernels/cuda/driver"
)

// hostMemory is pinned memory of the host, and where kernels reach it.
type hostMemory struct {
	bytes []byte
	at    driver.Ptr
}

func (d *Device) hostAlloc(n int) (m hostMemory, err error) {
	m.bytes, m.at, err = d.ctx.HostAlloc(n)
	return m, err
}

// free gives memory of hostAlloc back, once.
func (m *hostMemory) free(d *Device) error {
	if m.bytes == nil {
		return nil
	}
	b := m.bytes
	*m = hostMemory{}
	return d.ctx.HostFree(b)
}

// ownPages is the size from which on an object has pages of memory to itself: what is pinned
// is whole pages. Go's own figure, 32 KB, is not promised.
const ownPages = 64 << 10

// Pin is that of [plan.Pinner]. The GPU writes logits to such memory as it computes them,
// while others are copied twice, which takes a tenth of a token. The memory is registered
// with the driver until nothing refers to it. A driver that cannot do that, as that of a
// Jetson, or will not, leaves it as it was.
func (s *Stage) Pin(logits []float32) {
	if 4*len(logits) < ownPages {
		return
	}
	first, known := unsafe.SliceData(logits), false
	err := s.dev.do(func() (err error) {
		at := addressOf(first)
		if _, known = s.reached[at]; known {
			return nil
		}
		s.reached[at], err = s.dev.ctx.HostRegister(bytesOf(logits))
		if err != nil {
			delete(s.reached, at)
		}
		return err
	})
	if err != nil || known {
		return
	}
	// Until the finalizer has given it up, the memory is not used for anything else.
	runtime.SetFinalizer(first, func(first *float32) {
		go func() {
			_ = s.dev.do(func() error { return s.leave(addressOf(first)) })
			runtime.KeepAlive(first)
		}()
	})
}

func addressOf(first *float32) uintptr { return uintptr(unsafe.Pointer(first)) }

// leave has the driver forget memory of Pin, if it knows it.
func (s *Stage) leave(first uintptr) (err error) {
	at, ok := s.reached[first]
	if !ok {
		return nil
	}
	if s.ahead.y == at {
		err = s.forget()
	}
	delete(s.reached, first)
	return errors.Join(err, s.dev.ctx.HostUnregister(at))
}

// reach returns where kernels reach memory of Pin that begins with x, or 0.
func (s *Stage) reach(x []float32) driver.Ptr { return s.reached[addressOf(unsafe.SliceData(x))] }

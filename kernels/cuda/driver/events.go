//go:build cuda && linux && (amd64 || arm64)

package driver

// #include <cuda.h>
import "C"

import (
	"errors"
	"fmt"
	"time"
)

// events are a context's, by number.
type events []C.CUevent

// eventsAtATime is how many are created together: creating one between two
// records would add to the time between them.
const eventsAtATime = 64

func (e *events) Record(i int) error {
	for i >= len(*e) {
		if err := e.create(eventsAtATime); err != nil {
			return err
		}
	}
	return status("cuEventRecord", "", C.cuEventRecord((*e)[i], nil))
}

func (e *events) create(n int) error {
	for range n {
		var event C.CUevent
		if err := status("cuEventCreate", "", C.cuEventCreate(&event, C.CU_EVENT_DEFAULT)); err != nil {
			return err
		}
		*e = append(*e, event)
	}
	return nil
}

func (e *events) Elapsed(i, j int) (time.Duration, error) {
	if n := len(*e); i >= n || j >= n {
		return 0, &Error{"cuEventElapsedTime", fmt.Sprintf("of %d and %d", i, j), errors.New("no such event")}
	}
	var ms C.float
	r := C.cuEventElapsedTime(&ms, (*e)[i], (*e)[j])
	if r == C.CUDA_ERROR_NOT_READY {
		if err := status("cuEventSynchronize", "", C.cuEventSynchronize((*e)[j])); err != nil {
			return 0, err
		}
		r = C.cuEventElapsedTime(&ms, (*e)[i], (*e)[j])
	}
	return time.Duration(float64(ms) * 1e6), status("cuEventElapsedTime", "", r)
}

// close destroys all of them.
func (e *events) close() (err error) {
	for _, event := range *e {
		err = errors.Join(err, status("cuEventDestroy", "", C.cuEventDestroy(event)))
	}
	*e = nil
	return err
}

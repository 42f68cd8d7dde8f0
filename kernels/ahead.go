package kernels

import "unsafe"

// aheadParts is the largest number of parts that [Worker.Ahead] takes.
const aheadParts = 4

// Ahead names memory that the worker will read in the next phase, the first
// part first. While it waits for the end of this one it asks for that memory, so
// that it is in the core's cache by then: where reading memory is what takes the
// time, waiting costs little. What was named before is forgotten.
func (w *Worker) Ahead(parts ...[]byte) {
	w.ahead = [aheadParts][]byte{}
	copy(w.ahead[:], parts)
}

// What is fetched at a time, so that the end of a phase is soon seen.
const (
	lineBytes  = 64
	fetchLines = 8
)

// fetch asks for a little of what lies ahead.
func (w *Worker) fetch() {
	for i := range w.ahead {
		if part := w.ahead[i]; len(part) > 0 {
			lines := min((len(part)+lineBytes-1)/lineBytes, fetchLines)
			prefetch(unsafe.Pointer(unsafe.SliceData(part)), lines)
			w.ahead[i] = part[min(lines*lineBytes, len(part)):]
			return
		}
	}
}

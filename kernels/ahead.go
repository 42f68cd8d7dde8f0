package kernels

import "unsafe"

// AheadParts is the largest number of parts that [Worker.Ahead] takes.
const AheadParts = 6

// Ahead names memory that the worker will read in the next phases, the first
// part first. While it waits for others it asks for that memory, so that it is in
// the core's cache by then: where reading memory is what takes the time, waiting
// costs little. What was named before is forgotten.
func (w *Worker) Ahead(parts ...[]byte) {
	w.ahead = [AheadParts][]byte{}
	copy(w.ahead[:], parts)
}

// Skip forgets the first n of the parts that were named last.
func (w *Worker) Skip(n int) { clear(w.ahead[:n]) }

// Fetch asks for about that many bytes of what lies ahead.
func (w *Worker) Fetch(bytes int) {
	for ; bytes > 0 && w.fetch(); bytes -= lineBytes * fetchLines {
	}
}

// Prefetch asks for memory that the caller is about to read.
func Prefetch(p unsafe.Pointer, bytes int) {
	if lines := (bytes + lineBytes - 1) / lineBytes; lines > 0 {
		prefetch(p, lines)
	}
}

// What is fetched at a time, so that the end of a phase is soon seen.
const (
	lineBytes  = 64
	fetchLines = 8
)

// fetch asks for a little of what lies ahead, if there is anything left. It takes
// as long as a pause, since a core can wait for only so many lines.
func (w *Worker) fetch() bool {
	for i := range w.ahead {
		if part := w.ahead[i]; len(part) > 0 {
			lines := min((len(part)+lineBytes-1)/lineBytes, fetchLines)
			prefetch(unsafe.Pointer(unsafe.SliceData(part)), lines)
			w.ahead[i] = part[min(lines*lineBytes, len(part)):]
			return true
		}
	}
	return false
}

// Package bench measures how fast a model runs and how fast the machine would
// let it run: its roofline. It uses the same interface as every other program.
package bench

import (
	"encoding/binary"
	"math"
	"runtime"
	"time"

	"qgo/kernels"
)

// probeBytes is what one pass of the bandwidth probe reads, more than the
// caches of most machines hold.
const probeBytes = 256 << 20

// Bandwidth measures how many bytes a second the pool's workers read together
// from memory: the best of passes over a large buffer, for at least the given
// time.
func Bandwidth(pool *kernels.Pool, buf []byte, atLeast time.Duration) (float64, error) {
	sums := make([]uint64, 8*pool.Workers()) // a cache line each
	pass := func(w *kernels.Worker) {
		lo, hi := w.Range(len(buf), 64)
		sums[8*w.ID] += readAll(buf[lo:hi])
	}
	best := math.Inf(1)
	for start := time.Now(); ; {
		t := time.Now()
		if err := pool.Run(pass); err != nil {
			return 0, err
		}
		best = min(best, time.Since(t).Seconds())
		if time.Since(start) >= atLeast {
			break
		}
	}
	runtime.KeepAlive(sums)
	return float64(len(buf)) / best, nil
}

// NewProbeBuffer returns a buffer for Bandwidth whose pages are there.
func NewProbeBuffer() []byte {
	buf := make([]byte, probeBytes)
	for i := 0; i < len(buf); i += 4096 {
		buf[i] = 1
	}
	return buf
}

// readAll reads b, whose length is a multiple of 64, in independent sums: it
// must wait for memory and nothing else.
func readAll(b []byte) uint64 {
	le := binary.LittleEndian
	var s0, s1, s2, s3 uint64
	for ; len(b) >= 64; b = b[64:] {
		c := b[:64:64]
		s0 += le.Uint64(c) + le.Uint64(c[8:])
		s1 += le.Uint64(c[16:]) + le.Uint64(c[24:])
		s2 += le.Uint64(c[32:]) + le.Uint64(c[40:])
		s3 += le.Uint64(c[48:]) + le.Uint64(c[56:])
	}
	return s0 + s1 + s2 + s3
}

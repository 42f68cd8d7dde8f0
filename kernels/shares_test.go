package kernels

import (
	"sync/atomic"
	"testing"
)

// TestSharesDealEverythingOnce also lets one worker do nothing: the others do
// its part.
func TestSharesDealEverythingOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 5} {
		p := NewPool(workers, false)
		for _, n := range []int{0, 1, 7, 64, 1000} {
			for _, least := range []int{1, 2, 8} {
				for idle := range min(2, workers) {
					const ops = 3
					shares := NewShares(ops, workers)
					done := make([]atomic.Int32, ops*n)
					err := p.Run(func(w *Worker) {
						for op := range ops {
							shares.Deal(w, op, n, least)
						}
						w.Barrier()
						for op := range ops {
							for w.Of == 1 || idle == 0 || w.ID != idle-1 {
								lo, hi, ok := shares.Next(w, op, least)
								if !ok {
									break
								}
								if lo%least != 0 || hi%least != 0 && hi != n {
									t.Errorf("items [%d, %d) of %d, want multiples of %d", lo, hi, n, least)
								}
								for i := lo; i < hi; i++ {
									done[op*n+i].Add(1)
								}
							}
						}
					})
					if err != nil {
						t.Fatal(err)
					}
					for i := range done {
						if k := done[i].Load(); k != 1 {
							t.Fatalf("%d workers, %d items: item %d of operation %d done %d times", workers, n, i%n, i/n, k)
						}
					}
				}
			}
		}
		p.Close()
	}
}

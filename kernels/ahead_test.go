package kernels

import (
	"testing"
	"time"
)

// TestAhead has workers wait for one that takes its time: they ask for all that
// was named, in order, and for nothing that was named before.
func TestAhead(t *testing.T) {
	p := NewPool(3, false)
	defer p.Close()
	left := make([]int, p.Workers())
	err := p.Run(func(w *Worker) {
		w.Ahead(make([]byte, 1000), nil, make([]byte, lineBytes*fetchLines), make([]byte, 1))
		for it := w.Items(1, 1); it.Next(); {
			time.Sleep(20 * time.Millisecond)
			it.Commit()
		}
		for _, part := range w.ahead {
			left[w.ID] += len(part)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	waited := 0
	for _, n := range left {
		if n == 0 {
			waited++
		}
	}
	if waited < p.Workers()-1 {
		t.Errorf("bytes left: %v", left)
	}
}

// TestFetch goes through parts of all lengths, a few lines at a time, and forgets
// what was named before.
func TestFetch(t *testing.T) {
	for n := range 3 * lineBytes * fetchLines {
		w := &Worker{}
		w.Ahead(nil, make([]byte, 5000))
		w.Ahead(make([]byte, n))
		calls := 0
		for ; len(w.ahead[0])+len(w.ahead[1]) > 0; calls++ {
			w.fetch()
		}
		if want := (n + lineBytes*fetchLines - 1) / (lineBytes * fetchLines); calls != want {
			t.Errorf("%d bytes in %d calls, not %d", n, calls, want)
		}
		if w.fetch() {
			t.Errorf("%d bytes: more than there are", n)
		}
	}
}

// TestSkip forgets the first parts, and goes on where the third one was left.
func TestSkip(t *testing.T) {
	w := &Worker{}
	w.Ahead(nil, nil, make([]byte, 3000), make([]byte, 100))
	w.Fetch(2 * lineBytes * fetchLines)
	w.Skip(2)
	if left := len(w.ahead[2]); left != 3000-2*lineBytes*fetchLines {
		t.Errorf("%d bytes of the third part left", left)
	}
	w.Skip(3)
	w.Fetch(1 << 20)
	for i, part := range w.ahead {
		if len(part) > 0 {
			t.Errorf("%d bytes of part %d left", len(part), i)
		}
	}
}

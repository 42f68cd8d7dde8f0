package kernels

import (
	"slices"
	"testing"
	"time"
)

func TestAllot(t *testing.T) {
	for _, test := range []struct {
		threads []int
		cores   int
		sizes   []int
	}{
		{[]int{16}, 16, []int{16}},
		{[]int{8, 8}, 16, []int{8, 8}},
		{[]int{4, 4}, 16, []int{4, 4}},
		{[]int{16, 16}, 16, []int{8, 8}},
		{[]int{16, 16, 16}, 16, []int{6, 5, 5}},
		{[]int{16, 1}, 16, []int{15, 1}},
		{[]int{1, 16, 3, 16}, 16, []int{1, 6, 3, 6}},
		{[]int{2, 2}, 2, []int{1, 1}},
		{[]int{2, 2, 2}, 2, []int{1, 1, 1}},
		{[]int{64, 16}, 16, []int{8, 8}},
	} {
		next := 0
		for me, want := range test.sizes {
			first, size := allot(test.threads, me, test.cores)
			if size != want || first != next%test.cores {
				t.Errorf("of %v threads on %d cores, team %d gets %d from core %d, want %d from %d", test.threads, test.cores, me, size, first, want, next%test.cores)
			}
			next += size
		}
	}
}

// TestTeamsSettle lets a team compute beside another one, and after it has gone.
func TestTeamsSettle(t *testing.T) {
	if Cores() < 2 {
		t.Skip("one core cannot be shared out")
	}
	var b Board
	p, other := NewPool(Cores(), true), NewPool(Cores(), true)
	defer p.Close()
	defer other.Close()
	p.Join(&b)
	other.Join(&b)
	size := func() int { return place(p.place.Load()).size() }
	ran := func() (of int) {
		if err := p.Run(func(w *Worker) {
			pass(w)
			if w.ID == 0 {
				of = w.Of
			}
		}); err != nil {
			t.Fatal(err)
		}
		return of
	}
	if of := ran(); of != Cores() {
		t.Errorf("alone, %d of %d workers compute", of, Cores())
	}
	in, out, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		_ = other.Run(func(w *Worker) {
			if w.ID == 0 {
				close(in)
				<-out
			}
			pass(w)
		})
		close(gone)
	}()
	<-in
	for of := Cores(); of > Cores()-Cores()/2; of = ran() {
		// A team that says nothing for long is taken for gone.
		other.member.say(time.Now())
	}
	close(out)
	<-gone
	for ran() < Cores() {
	}
	if size() != Cores() {
		t.Errorf("alone again, the team has %d of %d workers", size(), Cores())
	}
}

// TestSeats lets more teams compute than there are seats, and teams on other
// cores, which do not matter.
func TestSeats(t *testing.T) {
	var b Board
	now := time.Now()
	teams := make([]*member, len(b.seats)+3)
	for i := range teams {
		teams[i] = &member{board: &b, id: uint64(i + 1), team: 7<<16 | uint64(i)}
		teams[i].say(now)
	}
	last := len(b.seats) - 1
	threads, me := teams[last].look(now, nil)
	if want := last; me != want || len(threads) != len(b.seats) || threads[me] != last {
		t.Errorf("the last of %d teams sees %d, itself as number %d with %d threads", len(b.seats), len(threads), me, threads[me])
	}
	teams[0].leave()
	teams[1].team = 8<<16 | 1
	b.seats[1].team.Store(teams[1].team)
	now = now.Add(linger + 1)
	teams[last].say(now)
	if threads, _ := teams[last].look(now, nil); slices.Contains(threads, 0) || slices.Contains(threads, 1) {
		t.Errorf("teams that have left or run on other cores count: %v", threads)
	}
	now = now.Add(silence + linger + 1)
	teams[last].say(now)
	if threads, _ := teams[last].look(now, nil); len(threads) != 1 {
		t.Errorf("teams that are silent count: %v", threads)
	}
	late := teams[len(teams)-1]
	late.say(now)
	if b.seats[late.seat].owner.Load() != late.id {
		t.Error("a team found no seat although those of silent teams are free")
	}
}

// TestNonsenseOnBoard lets a team look at a board full of nonsense: it stays of
// a possible size and computes.
func TestNonsenseOnBoard(t *testing.T) {
	for _, nonsense := range []uint64{0, 1, 1<<63 - 1, 1<<64 - 1} {
		var b Board
		p := NewPool(2, true)
		p.Join(&b)
		for range 3 {
			for i := range b.seats {
				s := &b.seats[i]
				s.seen.Store(int64(nonsense))
				s.team.Store(nonsense)
				if nonsense%2 == 1 { // of this team's cores, and at work
					s.seen.Store(time.Now().UnixNano())
					s.team.Store(p.member.team &^ 0xffff)
				}
			}
			p.member.checked = time.Time{}
			if err := p.Run(pass); err != nil {
				t.Fatal(err)
			}
			if n := p.Team(); n < 1 || n > 2 {
				t.Errorf("a team of %d of 2 workers", n)
			}
		}
		p.Close()
	}
}

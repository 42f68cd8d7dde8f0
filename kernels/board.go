package kernels

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Board is where the teams of a machine tell each other that they compute, so
// that those that may use the same cores share them out instead of taking each
// other's. It lies in memory that all processes of a user map.
type Board struct{ seats [64]seat }

// seat is what a team tells.
type seat struct {
	owner atomic.Uint64 // the team's random number; 0 when nobody ever sat here
	seen  atomic.Int64  // when it last said that it computes, in Unix nanoseconds; 0 when it does not
	team  atomic.Uint64 // cores that it may use, hashed (48 bits) | threads it would like (16)
	_     [128 - 24]byte
}

const boardBytes = int(unsafe.Sizeof(Board{}))

// SharedBoard returns the board of this user on this machine. Where memory
// cannot be shared, it is this process's alone.
func SharedBoard() *Board { return sharedBoard() }

var sharedBoard = sync.OnceValue(func() *Board {
	data, err := sharedMemory("teams-1", boardBytes)
	if err != nil {
		return &Board{}
	}
	return (*Board)(unsafe.Pointer(unsafe.SliceData(data)))
})

const (
	// A team that has not been heard of for that long has gone.
	silence = 100 * time.Millisecond
	// Between two tokens a team does not compute; for this long it still counts.
	linger = 50 * time.Millisecond
	// How often a team looks at what the others do.
	lookAround = 5 * time.Millisecond
)

// member is a pool's part in a board.
type member struct {
	board   *Board
	id      uint64
	team    uint64
	cores   int                           // that it may use
	seat    int                           // its own, if the owner there is id
	met     [len(Board{}.seats)]time.Time // when each of the others was last seen at work
	checked time.Time
}

// Join makes a pool share the machine's cores with the other pools that have
// joined the board, those of other processes too: as long as several compute,
// each uses a part of its workers. It must come before the first job.
func (p *Pool) Join(b *Board) {
	cpus, _ := topology()
	h := fnv.New64a()
	for _, cpu := range cpus {
		_, _ = h.Write([]byte{byte(cpu), byte(cpu >> 8)})
	}
	p.member = &member{
		board: b,
		id:    rand.Uint64() | 1,
		cores: Cores(),
		team:  h.Sum64()<<16 | uint64(min(len(p.workers), 1<<16-1)),
	}
}

// say tells the others that the team computes.
func (m *member) say(now time.Time) {
	seats := &m.board.seats
	if s := &seats[m.seat]; s.owner.Load() == m.id {
		s.seen.Store(now.UnixNano())
		return
	}
	for i := range seats {
		s := &seats[i]
		owner := s.owner.Load()
		if (owner == 0 || !s.active(now)) && s.owner.CompareAndSwap(owner, m.id) {
			s.team.Store(m.team)
			s.seen.Store(now.UnixNano())
			m.seat = i
			return
		}
	}
}

// leave tells the others that the team does not compute.
func (m *member) leave() {
	if s := &m.board.seats[m.seat]; s.owner.Load() == m.id {
		s.seen.Store(0)
	}
}

func (s *seat) active(now time.Time) bool {
	seen := s.seen.Load()
	return seen != 0 && now.Sub(time.Unix(0, seen)).Abs() < silence
}

// look returns how many threads the teams at work would like that may use the
// same cores, and which of them is this one.
func (m *member) look(now time.Time, threads []int) (teams []int, me int) {
	m.checked = now
	me = -1
	for i := range m.board.seats {
		s := &m.board.seats[i]
		team := s.team.Load()
		switch mine := s.owner.Load() == m.id; {
		case mine:
			me, team = len(threads), m.team // not what another may have written there
		case team>>16 != m.team>>16:
			continue
		case s.active(now):
			m.met[i] = now
		case now.Sub(m.met[i]) > linger:
			continue
		}
		threads = append(threads, int(team&(1<<16-1)))
	}
	if me < 0 { // There was no seat left.
		me = len(threads)
		threads = append(threads, int(m.team&(1<<16-1)))
	}
	return threads, me
}

// allot shares out cores among teams that would like that many threads each:
// team me gets size of them, from number first on. If there are not enough,
// nobody gets more than an equal share while another has less than it would
// like; if there are more teams than cores, each gets one.
func allot(threads []int, me, cores int) (first, size int) {
	limit, extra := max(cores/max(len(threads), 1), 1), 0
	for {
		left, greedy := cores, 0
		for _, n := range threads {
			if n <= limit {
				left -= n
			} else {
				greedy++
			}
		}
		if greedy == 0 {
			break
		}
		if left/greedy <= limit {
			extra = max(left-limit*greedy, 0)
			break
		}
		limit = left / greedy
	}
	for i, n := range threads {
		n = min(n, limit)
		if threads[i] > limit && extra > 0 {
			n++
			extra--
		}
		if i == me {
			return first % cores, n
		}
		first += n
	}
	return 0, cores
}

// place is how many of the workers compute, and on which of the pool's CPUs the
// first of them runs.
type place uint64

func newPlace(first, size int) place { return place(size)<<32 | place(first) }

func (p place) size() int  { return int(p >> 32) }
func (p place) first() int { return int(p & (1<<32 - 1)) }

// Team is the number of workers that compute now: fewer than Workers as long as
// other teams do.
func (p *Pool) Team() int { return place(p.place.Load()).size() }

// settle makes the team of a pool that has joined a board as large as its
// neighbours leave room for. Worker 0 calls it.
func (p *Pool) settle(now time.Time) {
	m := p.member
	m.say(now)
	if now.Sub(m.checked) < lookAround {
		return
	}
	var room [len(Board{}.seats)]int
	threads, me := m.look(now, room[:0])
	to := p.alone
	if len(threads) > 1 {
		first, size := allot(threads, me, m.cores)
		to = newPlace(first, min(max(size, 1), len(p.workers)))
	}
	if from := p.place.Swap(uint64(to)); place(from).size() < to.size() {
		p.mu.Lock()
		p.rest.Broadcast()
		p.mu.Unlock()
	}
}

// seated reports whether a worker has a place in the team.
func (w *Worker) seated() bool { return w.ID < place(w.pool.place.Load()).size() }

// move binds the worker's thread to its CPU, if it is pinned and has another
// one than before.
func (w *Worker) move() {
	p := w.pool
	if p.cpus == nil {
		return
	}
	cpu := p.cpus[(place(p.place.Load()).first()+w.ID)%len(p.cpus)]
	if cpu != w.cpu {
		set := affinityTo(cpu)
		set.apply()
		w.cpu = cpu
	}
}

// takeRest sleeps while the worker has no place in the team.
func (w *Worker) takeRest() {
	if w.seated() {
		return
	}
	p := w.pool
	p.mu.Lock()
	for !w.seated() && !p.closed {
		p.rest.Wait()
	}
	p.mu.Unlock()
}

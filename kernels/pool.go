package kernels

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is a team of workers that run one function together (single program,
// multiple data): [Pool.Run] enters it once per token or batch, and inside it
// every operation is a phase whose items the workers share; see
// [Worker.Items]. The caller of Run is worker 0; every other worker is a
// goroutine locked to an OS thread of its own. Each thread may be pinned to a
// core: left alone, systems put two busy threads on one core and leave another
// idle, for seconds at a time.
//
// A fork and join for each matrix would cost more than a small matrix takes:
// a token of a 24-layer model passes more than two hundred of them.
//
// No worker but the caller is indispensable, except for the moments in which it
// writes. One that the system has taken off its core comes back to find its
// items done, even those that it was computing, and runs after the others.
type Pool struct {
	workers []*Worker
	run     sync.Mutex // held while a job runs
	cpus    []int      // that workers are pinned to, if they are
	before  affinity   // of worker 0's thread, outside a job
	crowded bool       // workers share cores
	jobs    [2]job     // this one and the one before, by turn
	member  *member    // nil if the pool has joined no board
	alone   place      // of the team when no other computes

	_      [128]byte
	turn   atomic.Uint64 // number of jobs started
	_      [128]byte
	phase  atomic.Uint32 // the phase whose items are being done
	failed atomic.Uint64 // turn of the last job that failed
	place  atomic.Uint64 // a place
	_      [128]byte
	count  atomic.Uint32 // items of the phase that are done and counted
	_      [128]byte

	mu      sync.Mutex
	cond    *sync.Cond   // of workers that wait
	rest    *sync.Cond   // of workers that have no place in the team
	running uint64       // turn of the job that worker 0 is in, or 0; guarded by mu
	err     error        // the job's first failure; guarded by mu
	closed  bool         // guarded by mu
	parked  atomic.Int32 // workers asleep on cond
	done    sync.WaitGroup

	patience time.Duration // how long a worker looks before it sleeps
	drowsy   atomic.Bool   // it does not look at all
}

// job is what Run was given, its first phase, and how many workers have a share.
type job struct {
	do    func(*Worker)
	phase uint32
	of    int
}

// Worker is one member of a pool within a job. Its ID is below Of, the number
// of workers at the job's beginning, or it has come later to help.
type Worker struct {
	ID, Of int
	pool   *Pool
	cpu    int    // that it is pinned to, or -1
	turn   uint64 // of the job that it is in
	phase  uint32 // its next one
	ahead  [AheadParts][]byte
	desk   desk
}

var (
	// errAborted unwinds workers whose job failed elsewhere.
	errAborted = errors.New("kernels: job aborted")
	// errGoexit is for a job that calls runtime.Goexit, as t.FailNow does.
	errGoexit = errors.New("kernels: the job ended a worker's goroutine")
)

// NewPool starts a pool of n workers, at least one. When pinned, each stays on
// one core of those that the process may use, as long as there are enough.
// Close it after use.
func NewPool(n int, pinned bool) *Pool { return newPool(n, pinned, patience) }

func newPool(n int, pinned bool, patience time.Duration) *Pool {
	n = max(n, 1)
	p := &Pool{crowded: n > Cores(), patience: patience}
	p.cond, p.rest = sync.NewCond(&p.mu), sync.NewCond(&p.mu)
	p.phase.Store(1)
	if procs := runtime.GOMAXPROCS(0); n > procs {
		// Go's scheduler would take some 10 µs and more to let a worker have
		// the place of another; the system's takes 1 or 2.
		runtime.GOMAXPROCS(n)
	}
	p.alone = newPlace(0, n)
	if pinned && n > 1 {
		var first int
		p.cpus, first = placement(n)
		p.alone = newPlace(first, n)
	}
	p.place.Store(uint64(p.alone))
	for id := range n {
		p.workers = append(p.workers, &Worker{ID: id, Of: n, pool: p, cpu: -1})
	}
	p.done.Add(len(p.workers) - 1)
	for _, w := range p.workers[1:] {
		go w.loop()
	}
	return p
}

// Workers is the number of workers.
func (p *Pool) Workers() int { return len(p.workers) }

// Close ends the workers. It waits for a running job.
func (p *Pool) Close() {
	p.run.Lock()
	defer p.run.Unlock()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.turn.Add(1)
	p.wake()
	p.mu.Lock()
	p.rest.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}

// Sleep makes idle workers sleep at once rather than spin for a while, for callers
// that hand the cores to something else. The next Run wakes them.
func (p *Pool) Sleep() { p.drowsy.Store(true) }

// Drain waits until no worker reads what past jobs gave it. It must come
// before memory that jobs read is unmapped or changed other than by a job.
func (p *Pool) Drain() {
	p.run.Lock()
	defer p.run.Unlock()
	p.drain()
}

// drain is Drain with p.run held.
func (p *Pool) drain() {
	turn := p.turn.Load() + 1
	p.jobs[turn%2] = job{}
	p.turn.Store(turn)
	p.await(turn)
	p.jobs[(turn+1)%2] = job{}
}

// await waits for the workers that are still in a job before that turn.
func (p *Pool) await(turn uint64) {
	for _, w := range p.workers[1:] {
		p.wait(func() bool {
			in := w.desk.inside.Load()
			return in == 0 || in == turn
		})
	}
}

// Run calls job in the workers and returns when all its phases are over. Jobs
// of several callers run one after the other. When a worker calls
// [Worker.Abort], panics on a memory fault (as when a mapped file was cut
// short) or on anything else, the others leave the job and Run returns the
// first failure; panics that are not memory faults go on in the caller. A job
// that ends its goroutine (runtime.Goexit) is a failure too.
//
// A worker that was late may still be in the job when Run returns, but in no
// phase: it may read what the job reads until the next call of Run has
// returned, or Drain.
func (p *Pool) Run(do func(*Worker)) (err error) {
	p.run.Lock()
	defer p.run.Unlock()
	turn := p.turn.Load() + 1
	p.mu.Lock()
	closed := p.closed
	p.err, p.running = nil, turn
	p.mu.Unlock()
	if closed {
		return errors.New("kernels: the pool is closed")
	}
	if p.member != nil {
		p.settle(time.Now())
		defer p.member.leave()
	}
	phase := p.phase.Load()
	for _, w := range p.workers {
		w.desk.renew(phase - 1)
	}
	p.drowsy.Store(false)
	p.jobs[turn%2] = job{do, phase, place(p.place.Load()).size()}
	p.turn.Store(turn)
	p.wake()
	runtime.LockOSThread()
	if p.cpus != nil {
		p.before.get()
		p.workers[0].cpu = -1
	}
	// Deferred, as the job may end this goroutine.
	defer func() { err = p.join(turn) }()
	p.workers[0].enter(turn)
	return nil
}

// join ends a job after worker 0's part in it.
func (p *Pool) join(turn uint64) error {
	if p.cpus != nil {
		p.before.apply()
	}
	runtime.UnlockOSThread()
	p.mu.Lock()
	err := p.err
	p.running = 0
	p.mu.Unlock()
	p.await(turn)
	if err == nil {
		return nil
	}
	p.drain()
	p.count.Store(0)
	for _, w := range p.workers {
		w.desk.done.Store(0)
		w.desk.chunk.Store(0)
	}
	p.phase.Add(1) // nobody has claimed any of its items
	if bug, ok := err.(panicError); ok {
		panic(bug.value)
	}
	return err
}

// loop runs jobs as they come.
func (w *Worker) loop() {
	runtime.LockOSThread()
	p := w.pool
	closed := false
	defer func() {
		if closed {
			p.done.Done()
			return
		}
		// The job has ended this goroutine: another takes its place.
		go w.loop()
	}()
	w.cpu = -1 // The thread is new; it stays locked and pinned to its end.
	for {
		w.takeRest()
		p.wait(func() bool {
			w.fetch()
			return p.turn.Load() != w.turn || !w.seated()
		})
		turn := p.turn.Load()
		if turn == w.turn {
			continue
		}
		// The end of the next Run waits for workers inside an older job; from
		// here on that includes this one, if the turn has not changed.
		w.desk.inside.Store(turn)
		if p.turn.Load() != turn {
			w.desk.inside.Store(0)
			p.wake()
			continue
		}
		p.mu.Lock()
		closed = p.closed
		p.mu.Unlock()
		if closed {
			w.desk.inside.Store(0)
			return
		}
		w.enter(turn)
	}
}

// enter runs a job in this worker and turns panics into p.err.
func (w *Worker) enter(turn uint64) {
	p := w.pool
	w.turn = turn
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	returned := false
	defer func() {
		switch v := recover().(type) {
		case nil:
			if !returned {
				p.fail(turn, errGoexit)
			}
		case leave:
		case abort:
			p.fail(turn, v.err)
		case runtime.Error:
			if _, fault := v.(interface{ Addr() uintptr }); fault {
				p.fail(turn, fmt.Errorf("reading the model's memory failed: the file was changed or cut short while in use, or its disk failed (%w)", v))
			} else {
				p.fail(turn, panicError{v})
			}
		default:
			p.fail(turn, panicError{v})
		}
		w.desk.inside.Store(0)
		p.wake()
	}()
	if job := p.jobs[turn%2]; job.do != nil {
		w.phase, w.Of = job.phase, job.of
		w.move()
		job.do(w)
	}
	returned = true
}

// abort carries the error of [Worker.Abort] up to enter.
type abort struct{ err error }

// leave ends a worker's part in a job that the others go on with.
type leave struct{}

// panicError carries a panic that is a bug to the caller of Run.
type panicError struct{ value any }

func (e panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

// fail ends a job in all workers, if it is not over.
func (p *Pool) fail(turn uint64, err error) {
	p.mu.Lock()
	if p.running == turn {
		if p.err == nil && err != errAborted {
			p.err = err
		}
		p.failed.Store(turn)
	}
	p.mu.Unlock()
	p.wake()
}

// Abort ends the job in all workers: Run returns err. It does not return.
func (w *Worker) Abort(err error) { panic(abort{err}) }

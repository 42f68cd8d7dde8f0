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
// multiple data): [Pool.Run] enters it once per token or batch, and inside
// workers meet at barriers between operations. The caller of Run is worker 0;
// every other worker is a goroutine locked to an OS thread of its own. Each
// thread may be pinned to a core: left alone, systems put two busy threads on
// one core and leave another idle, for seconds at a time.
//
// A fork and join for each matrix would cost more than a small matrix takes:
// a token of a 24-layer model passes more than a hundred of them.
type Pool struct {
	workers []*Worker
	run     sync.Mutex // held while a job runs
	pinned  []affinity // of the workers, if they are pinned
	before  affinity   // of worker 0's thread, outside a job
	crowded bool       // workers share cores

	job     func(*Worker)
	turn    atomic.Uint32 // number of jobs started
	left    atomic.Int32  // workers that have not finished the job
	arrived atomic.Int32  // workers waiting at the barrier
	phase   atomic.Uint32 // number of barriers passed
	aborted atomic.Bool
	err     error // the first failure; guarded by mu
	closed  bool  // guarded by mu

	mu     sync.Mutex
	cond   *sync.Cond
	parked atomic.Int32 // workers asleep on cond
	done   sync.WaitGroup
}

// Worker is one member of a pool within a job.
type Worker struct {
	ID, Of int // worker ID of Of
	pool   *Pool
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
func NewPool(n int, pinned bool) *Pool {
	n = max(n, 1)
	p := &Pool{crowded: n > Cores()}
	p.cond = sync.NewCond(&p.mu)
	if procs := runtime.GOMAXPROCS(0); n > procs {
		// Go's scheduler would take some 10 µs and more to let a worker have
		// the place of another; the system's takes 1 or 2.
		runtime.GOMAXPROCS(n)
	}
	if pinned && n > 1 {
		for _, cpu := range placement(n) {
			p.pinned = append(p.pinned, affinityTo(cpu))
		}
	}
	for id := range n {
		p.workers = append(p.workers, &Worker{ID: id, Of: n, pool: p})
	}
	p.done.Add(len(p.workers) - 1)
	for _, w := range p.workers[1:] {
		go w.loop(1)
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
	p.done.Wait()
}

// Run calls job in every worker and returns when all have finished. Jobs of
// several callers run one after the other. When a worker calls
// [Worker.Abort], panics on a memory fault (as when a mapped file was cut
// short) or on anything else, the others are released from their barriers and
// Run returns the first failure; panics that are not memory faults go on in
// the caller. A job that ends its goroutine (runtime.Goexit) is a failure too.
func (p *Pool) Run(job func(*Worker)) (err error) {
	p.run.Lock()
	defer p.run.Unlock()
	if p.closed {
		return errors.New("kernels: the pool is closed")
	}
	p.err, p.job = nil, job
	p.arrived.Store(0)
	p.aborted.Store(false)
	p.left.Store(int32(len(p.workers)))
	p.turn.Add(1)
	p.wake()
	runtime.LockOSThread()
	if p.pinned != nil {
		p.before.get()
		p.pinned[0].apply()
	}
	// Deferred, as the job may end this goroutine.
	defer func() { err = p.join() }()
	p.workers[0].enter()
	return nil
}

// join waits for the workers of a job after worker 0's part in it.
func (p *Pool) join() error {
	if p.pinned != nil {
		p.before.apply()
	}
	runtime.UnlockOSThread()
	p.wait(func() bool { return p.left.Load() == 0 })
	p.job = nil
	if bug, ok := p.err.(panicError); ok {
		panic(bug.value)
	}
	return p.err
}

// loop runs jobs from number turn on.
func (w *Worker) loop(turn uint32) {
	runtime.LockOSThread()
	p := w.pool
	closed := false
	defer func() {
		if closed {
			p.done.Done()
			return
		}
		// The job has ended this goroutine: another takes its place.
		go w.loop(turn + 1)
	}()
	if p.pinned != nil {
		// The thread stays locked and pinned to its end, which is the
		// goroutine's.
		p.pinned[w.ID].apply()
	}
	for ; ; turn++ {
		p.wait(func() bool { return p.turn.Load() == turn })
		p.mu.Lock()
		closed = p.closed
		p.mu.Unlock()
		if closed {
			return
		}
		w.enter()
	}
}

// enter runs the job in this worker and turns panics into p.err.
func (w *Worker) enter() {
	p := w.pool
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	returned := false
	defer func() {
		switch v := recover().(type) {
		case nil:
			if !returned {
				p.fail(errGoexit)
			}
		case abort:
			p.fail(v.err)
		case runtime.Error:
			if _, fault := v.(interface{ Addr() uintptr }); fault {
				p.fail(fmt.Errorf("reading the model's memory failed: the file was changed or cut short while in use, or its disk failed (%w)", v))
			} else {
				p.fail(panicError{v})
			}
		default:
			p.fail(panicError{v})
		}
		if p.left.Add(-1) == 0 {
			p.wake()
		}
	}()
	p.job(w)
	returned = true
}

// abort carries the error of [Worker.Abort] up to enter.
type abort struct{ err error }

// panicError carries a panic that is a bug to the caller of Run.
type panicError struct{ value any }

func (e panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

func (p *Pool) fail(err error) {
	p.mu.Lock()
	if p.err == nil && err != errAborted {
		p.err = err
	}
	p.mu.Unlock()
	p.aborted.Store(true)
	p.wake()
}

// Abort ends the job in all workers: Run returns err. It does not return.
func (w *Worker) Abort(err error) { panic(abort{err}) }

// Barrier returns when all workers of the pool have called it. What any of
// them wrote before is then visible to all.
func (w *Worker) Barrier() {
	p := w.pool
	if w.Of == 1 {
		return
	}
	phase := p.phase.Load()
	if p.arrived.Add(1) == int32(w.Of) {
		p.arrived.Store(0)
		p.phase.Add(1)
		p.wake()
		return
	}
	p.wait(func() bool { return p.phase.Load() != phase || p.aborted.Load() })
	if p.aborted.Load() {
		panic(abort{errAborted})
	}
}

// How long a worker looks before it sleeps. To sleep and to be woken takes
// some 100 µs in virtual machines, in which the next barrier is missed too: a
// worker that was late once would make everybody sleep at every barrier. So
// workers are patient, longer than a time slice that another process may take
// from one of them. Where workers share cores, the one that is waited for may
// need this very core: they give it up between looks.
const patience = 10 * time.Millisecond

// A worker looks that often before it looks at the clock, or gives up its core.
const (
	looks        = 64
	crowdedLooks = 4
)

func (p *Pool) wait(ready func() bool) {
	n := looks
	if p.crowded {
		n = crowdedLooks
	}
	for start := (time.Time{}); ; {
		for range n {
			if ready() {
				return
			}
			pause()
		}
		now := time.Now()
		if start.IsZero() {
			start = now
		} else if now.Sub(start) > patience {
			break
		}
		if p.crowded {
			yield()
		}
	}
	p.park(ready)
}

func (p *Pool) park(ready func() bool) {
	p.mu.Lock()
	p.parked.Add(1)
	for !ready() {
		p.cond.Wait()
	}
	p.parked.Add(-1)
	p.mu.Unlock()
}

// wake must follow the change that a parked worker waits for. The order of
// the two atomic accesses on either side (parked, then condition; condition,
// then parked) makes a lost wake-up impossible.
func (p *Pool) wake() {
	if p.parked.Load() > 0 {
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	}
}

// Range returns this worker's share [lo, hi) of n items, in whole multiples
// of align items but for the end.
func (w *Worker) Range(n, align int) (lo, hi int) {
	units := (n + align - 1) / align
	lo = units * w.ID / w.Of * align
	hi = min(units*(w.ID+1)/w.Of*align, n)
	return min(lo, n), hi
}

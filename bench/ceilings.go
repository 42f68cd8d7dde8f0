package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/mem"

	"qgo/bench/machine"
	"qgo/bench/probe"
	"qgo/bench/roofline"
	"qgo/kernels"
	"qgo/model"
	"qgo/tensor"
)

// Bounds of the size of an array of the bandwidth probe: STREAM's rule, four times
// what the caches of the last level hold, and no less than the usual size, but not
// much of a small board's memory. With 256 MiB a machine with 300 MiB of L3 seems to
// read twice as fast as its memory does.
const (
	usualArray    = 256 << 20
	cacheFactor   = 4
	smallestArray = 32 << 20
	arrayShare    = 16 // of the memory, and
	// availableShare is that of what is available of it, for three arrays.
	availableShare = 6
)

// MaxArray limits the size in bytes of each array of the bandwidth probe. Tests
// lower it, since they need no true figure.
var MaxArray int64 = math.MaxInt64

// stagger is by how many bytes more than its size each array lies behind the
// one before. Arrays whose addresses differ by a power of two meet in the same
// sets of the caches and banks of the memory: triad then loses a quarter to a
// third.
const stagger = 64<<10 + 1<<10

// piece is what a worker streams at least at a time; arrays are multiples of it.
const piece = 256 << 10

// arrayBytes is the size of an array, and that of a window, of which it has a
// whole number: a pass streams through one window, the next pass through the next,
// so that passes are short and find nothing in the caches.
func arrayBytes() (size, window int) {
	want := max(usualArray, cacheFactor*machine.LastLevelCache(os.DirFS("/")))
	if v, err := mem.VirtualMemory(); err == nil {
		share := int64(v.Total / arrayShare)
		if available, known := tensor.Available(); known {
			share = min(share, available/availableShare)
		}
		want = min(want, max(share, smallestArray))
	}
	want = min(want, MaxArray)
	windows := (want + usualArray - 1) / usualArray
	window = int(want/windows) / (1 << 20) << 20
	return int(windows) * window, window
}

// peakRounds is the number of rounds that a worker does at a time when a peak
// is measured: less than a millisecond of code that Go cannot interrupt.
const peakRounds = 50_000

// Prober measures what memory and arithmetic units can do, with as many
// workers as a pool has. Close it after use.
type Prober struct {
	Kernels *probe.Kernels
	pool    *kernels.Pool
	arena   *tensor.Arena
	a, b, c []byte
	window  int                   // bytes of a pass
	at      int                   // where the window begins
	sums    []uint64              // a cache line a worker
	read    func(b []byte) uint64 // the fastest of the kernels' ways, nil until it is known
}

// Rate is what several passes did a second.
type Rate struct {
	Best   float64 `json:"best"`
	Median float64 `json:"median"`
	Least  float64 `json:"least,omitempty"`
	Passes int     `json:"passes"`
}

func newRate(s Sample) Rate {
	return Rate{Best: slices.Max(s), Median: s.Median(), Least: slices.Min(s), Passes: len(s)}
}

// NewProber takes memory for one array, or three when streams that write are
// to be measured too. The pool's workers touch it first, so that each has its
// part near by.
func NewProber(pool *kernels.Pool, writes bool) (*Prober, error) {
	arrays := 1
	if writes {
		arrays = 3
	}
	size, window := arrayBytes()
	arena, err := tensor.NewArena(arrays * (size + stagger))
	if err != nil {
		return nil, err
	}
	p := &Prober{Kernels: probe.Best(), pool: pool, arena: arena, window: window, sums: make([]uint64, 8*pool.Workers())}
	parts := [3][]byte{}
	for i := range arrays {
		parts[i] = arena.Alloc(size + stagger)[:size]
	}
	p.a, p.b, p.c = parts[0], parts[1], parts[2]
	err = pool.Run(func(w *kernels.Worker) {
		for it := w.Items(size/piece, size/piece); it.Next(); {
			if !it.Commit() {
				continue
			}
			for _, part := range parts[:arrays] {
				// Ones, and zeros between them: numbers that are denormal, as a
				// single bit would be, take some CPUs ten times as long.
				for i := it.Lo * piece; i < it.Hi*piece; i += 64 {
					part[i+2], part[i+3] = 0x80, 0x3f
				}
			}
		}
	})
	if err != nil {
		_ = arena.Close()
		return nil, err
	}
	return p, nil
}

// Close gives the memory back.
func (p *Prober) Close() error {
	p.pool.Drain()
	return p.arena.Close()
}

// Bytes is the size of the array that [Prober.Read] reads.
func (p *Prober) Bytes() int { return len(p.a) }

// Read measures how many bytes a second the workers read together, in the way in which they
// read most: a bound must not be less than what is possible.
func (p *Prober) Read(atLeast time.Duration) (Rate, error) {
	if p.read == nil {
		if err := p.chooseRead(); err != nil {
			return Rate{}, err
		}
	}
	return p.readBy(p.read, atLeast)
}

// chooseRead tries all ways of reading by turns, twice each.
func (p *Prober) chooseRead() error {
	if p.read = p.Kernels.Reads[0]; len(p.Kernels.Reads) == 1 {
		return nil
	}
	best := 0.0
	for range 2 {
		for _, read := range p.Kernels.Reads {
			r, err := p.readBy(read, 0)
			if err != nil {
				return err
			}
			if r.Best > best {
				best, p.read = r.Best, read
			}
		}
	}
	return nil
}

func (p *Prober) readBy(read func([]byte) uint64, atLeast time.Duration) (Rate, error) {
	return p.stream(1, atLeast, func(w *kernels.Worker, lo, hi int) {
		p.sums[8*w.ID] += read(p.a[lo:hi])
	})
}

// Copy measures how many bytes a second they copy; every byte counts twice.
func (p *Prober) Copy(atLeast time.Duration) (Rate, error) {
	return p.stream(2, atLeast, func(_ *kernels.Worker, lo, hi int) {
		p.Kernels.Copy(p.a[lo:hi], p.b[lo:hi])
	})
}

// Triad measures STREAM's triad, which reads two arrays and writes one.
func (p *Prober) Triad(atLeast time.Duration) (Rate, error) {
	return p.stream(3, atLeast, func(_ *kernels.Worker, lo, hi int) {
		p.Kernels.Triad(p.a[lo:hi], p.b[lo:hi], p.c[lo:hi])
	})
}

// stream measures passes over windows of that many arrays. That a piece may be
// done twice does no harm: nobody reads the result.
func (p *Prober) stream(arrays int, atLeast time.Duration, do func(w *kernels.Worker, lo, hi int)) (Rate, error) {
	return p.passes(arrays*p.window, atLeast, func(w *kernels.Worker) {
		for it := w.Items(p.window/piece, p.window/piece); it.Next(); {
			do(w, p.at+it.Lo*piece, p.at+it.Hi*piece)
			it.Commit()
		}
	})
}

// Peak measures how many operations a second the workers do together in
// registers; a multiplication and its addition are two.
func (p *Prober) Peak(peak probe.Peak, atLeast time.Duration) (Rate, error) {
	const turns = 16
	return p.passes(peak.Ops*peakRounds*turns*p.pool.Workers(), atLeast, func(w *kernels.Worker) {
		for it := w.Items(turns*p.pool.Workers(), turns); it.Next(); {
			for range it.Hi - it.Lo {
				p.sums[8*w.ID] += uint64(peak.Run(peakRounds))
			}
			it.Commit()
		}
	})
}

// Highest measures the highest of the peaks.
func (p *Prober) Highest(atLeast time.Duration) (Rate, error) {
	return p.Peak(p.Kernels.Peaks[0], atLeast)
}

// Warm computes until the clock has settled: until a tenth of a second is no
// faster than the one before, within 2 %, or a second is over.
func (p *Prober) Warm() error {
	const turn, turns, settled = 100 * time.Millisecond, 10, 1.02
	last := 0.0
	for range turns {
		r, err := p.Highest(turn)
		if err != nil || r.Median <= settled*last {
			return err
		}
		last = r.Median
	}
	return nil
}

// passes runs a job again and again for at least the given time, and at least
// three times, and returns the rate of amount a pass.
func (p *Prober) passes(amount int, atLeast time.Duration, job func(*kernels.Worker)) (Rate, error) {
	var rates Sample
	for start := time.Now(); len(rates) < 3 || time.Since(start) < atLeast; {
		p.at = (p.at + p.window) % len(p.a)
		t := time.Now()
		if err := p.pool.Run(job); err != nil {
			return Rate{}, err
		}
		rates = append(rates, float64(amount)/time.Since(t).Seconds())
	}
	runtime.KeepAlive(p.sums)
	// Workers spinning for another pass would compete with the model's for the
	// cores: on two of them that cost 5 ms of each repetition.
	p.pool.Sleep()
	return newRate(rates), nil
}

// Ceilings are what the machine can do with a number of threads, in bytes and
// operations a second.
type Ceilings struct {
	Threads int        `json:"threads"`
	Kernels string     `json:"kernels"`
	Read    Rate       `json:"read"`
	Copy    Rate       `json:"copy"`
	Triad   Rate       `json:"triad"`
	Peaks   []PeakRate `json:"peaks"`
	// PowerMode is that in which they were measured, as of a result.
	PowerMode machine.PowerMode `json:"power_mode,omitempty"`
}

// PeakRate is the measured peak of one type of numbers.
type PeakRate struct {
	Type        string `json:"type"`
	Instruction string `json:"instruction"`
	Rate
}

// Peak is the highest peak, 0 if none was measured.
func (c *Ceilings) Peak() (best float64) {
	for _, p := range c.Peaks {
		best = max(best, p.Best)
	}
	return best
}

// limits are the ceilings that bound a model.
func (c *Ceilings) limits() roofline.Limits {
	return roofline.Limits{Bandwidth: c.Read.Best, Peak: c.Peak()}
}

// MeasureCeilings measures all of them with that many threads, each for at
// least the given time. Between two of them it looks at ctx.
func MeasureCeilings(ctx context.Context, threads int, pinned bool, atLeast time.Duration) (*Ceilings, error) {
	if threads < 1 || threads > model.MaxThreads {
		return nil, fmt.Errorf("%d threads: choose 1 to %d", threads, model.MaxThreads)
	}
	pool := kernels.NewPool(threads, pinned)
	pool.Join(kernels.SharedBoard())
	defer pool.Close()
	p, err := NewProber(pool, true)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := p.Warm(); err != nil {
		return nil, err
	}
	c := &Ceilings{Threads: pool.Workers(), Kernels: p.Kernels.Name}
	for _, m := range []struct {
		rate    *Rate
		measure func(time.Duration) (Rate, error)
	}{{&c.Read, p.Read}, {&c.Copy, p.Copy}, {&c.Triad, p.Triad}} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if *m.rate, err = m.measure(atLeast); err != nil {
			return nil, err
		}
	}
	for _, peak := range p.Kernels.Peaks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := p.Peak(peak, atLeast)
		if err != nil {
			return nil, err
		}
		c.Peaks = append(c.Peaks, PeakRate{peak.Type, peak.Instruction, r})
	}
	return c, nil
}

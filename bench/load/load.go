// Package load measures how many users an engine can serve at once: it sends
// requests, several at a time, and tells how long their tokens take to come.
package load

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"qgo/bench"
)

// Engine answers requests, several at once.
type Engine interface {
	// Answer answers a user's message with so many tokens. The times of the
	// repetition count from the call. It returns soon when ctx ends.
	Answer(ctx context.Context, text string, tokens int) (bench.Rep, error)
}

const (
	// MaxUsers is the most that may be there at once.
	MaxUsers = 256
	// maxRequests ends the measurement of a number of users.
	maxRequests = 1_000_000
	// retryAfter is how long a user of a closed loop waits after a request that
	// failed: one that is refused at once would otherwise be sent without end.
	retryAfter = 250 * time.Millisecond
	// warmUp is the number of tokens of the request before the first.
	warmUp = 8
)

// Plan says which requests to send.
type Plan struct {
	Users    []int         // at once, in ascending order
	Requests int           // for each user
	Span     time.Duration // in place of Requests: begin requests for so long
	Rate     float64       // arrivals a second, an open loop; 0 means a closed loop
	Seed     uint64        // of the times between arrivals
	Prompt   int           // tokens
	Answer   int           // tokens
	Texts    Texts
	// Adjust has the texts shortened by what the engine counts beyond Prompt in
	// a first request: their length was made without its vocabulary.
	Adjust bool
	Limits Limits
	// Progress, if set, is told what is being done.
	Progress func(step string)
}

// Texts are messages of the same words, each of which begins with another one:
// no engine has the beginning of one in its cache from another.
type Texts struct{ words []string }

// NewTexts returns the texts of the words of a text.
func NewTexts(text string) Texts { return Texts{strings.Fields(text)} }

// At returns text number i.
func (t Texts) At(i int) string {
	if len(t.words) == 0 {
		return ""
	}
	at := i % len(t.words)
	return strings.Join(append(t.words[at:len(t.words):len(t.words)], t.words[:at]...), " ")
}

// without leaves n words out, but not all.
func (t Texts) without(n int) Texts {
	return Texts{t.words[:max(len(t.words)-max(n, 0), min(len(t.words), 1))]}
}

// Run measures each number of users. If ctx ends it returns its error beside
// what was measured until then. Where all requests of a number of users fail,
// larger numbers are not tried.
func (p *Plan) Run(ctx context.Context, e Engine) ([]*Level, error) {
	p.step("warm-up")
	// One that fails says what the others will, which are counted.
	if rep, err := e.Answer(ctx, p.Texts.At(0), min(p.Answer, warmUp)); err == nil && p.Adjust {
		p.Texts = p.Texts.without(rep.Prompt - p.Prompt)
	}
	var all []*Level
	sent := 1
	for _, users := range p.Users {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		run := &run{plan: p, engine: e, users: users, first: sent, arrivals: newArrivals(p, users)}
		l := run.level(ctx)
		if sent += len(run.outcomes); l.Requests > 0 {
			all = append(all, l)
		}
		if l.Failed > 0 && l.Failed == l.Requests {
			break
		}
	}
	return all, ctx.Err()
}

func (p *Plan) step(text string) {
	if p.Progress != nil {
		p.Progress(text)
	}
}

// run is a number of users being measured.
type run struct {
	plan     *Plan
	engine   Engine
	users    int
	first    int // number of the first text
	arrivals *arrivals
	start    time.Time

	mu       sync.Mutex
	outcomes []outcome
}

// outcome is what became of a request. Times count from its arrival.
type outcome struct {
	end    time.Duration // since the start of all
	waited time.Duration // until it was sent
	ttft   time.Duration
	ttlt   time.Duration
	prompt int
	gen    int
	err    error
}

// tpot is the mean time of the tokens after the first; 0 if there are none.
func (o *outcome) tpot() time.Duration {
	if o.gen < 2 {
		return 0
	}
	return (o.ttlt - o.ttft) / time.Duration(o.gen-1)
}

// level has the users send their requests.
func (r *run) level(ctx context.Context) *Level {
	r.progress()
	r.start = time.Now()
	var users sync.WaitGroup
	for range r.users {
		users.Go(func() { r.user(ctx) })
	}
	users.Wait()
	l := summarise(r.users, r.outcomes, r.arrivals.waiting, r.plan.Limits)
	l.Incomplete = ctx.Err() != nil
	return l
}

// user sends requests, one after the other.
func (r *run) user(ctx context.Context) {
	for {
		n, at, ok := r.arrivals.next(time.Since(r.start))
		if !ok || !sleep(ctx, at-time.Since(r.start)) {
			return
		}
		o := r.once(ctx, r.plan.Texts.At(r.first+n), at)
		if ctx.Err() != nil {
			return // what was broken off is no failure
		}
		r.mu.Lock()
		r.outcomes = append(r.outcomes, o)
		r.progress()
		r.mu.Unlock()
		if o.err != nil && r.plan.Rate == 0 && !sleep(ctx, retryAfter) {
			return
		}
	}
}

// once sends a request that arrived at that time.
func (r *run) once(ctx context.Context, text string, at time.Duration) outcome {
	o := outcome{waited: max(time.Since(r.start)-at, 0)}
	rep, err := r.engine.Answer(ctx, text, r.plan.Answer)
	o.end = time.Since(r.start)
	o.ttft, o.ttlt = o.waited+time.Duration(rep.TTFT), o.waited+time.Duration(rep.NS)
	o.prompt, o.gen, o.err = rep.Prompt, rep.Gen, err
	return o
}

func (r *run) progress() {
	of := ""
	if r.plan.Span == 0 {
		of = " of " + count(r.users*r.plan.Requests, "request")
	} else {
		of = " requests"
	}
	r.plan.step(count(r.users, "user") + ": " + strconv.Itoa(len(r.outcomes)) + of)
}

// sleep waits; it returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

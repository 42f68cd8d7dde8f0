package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupts ends a context at a signal. A command that goes on after a Ctrl-C
// can take SIGINT over for a while.
type interrupts struct {
	taken atomic.Pointer[func()]

	mu       sync.Mutex
	restores map[int]func() // what to do before the program ends at once
	next     int
	end      func(code int) // os.Exit
}

type interruptsKey struct{}

// signalError is the cause of a context that a signal ended.
type signalError struct{ number syscall.Signal }

func (e *signalError) Error() string { return e.number.String() }

// exitCode is what shells show for a program that the signal ended.
func (e *signalError) exitCode() int { return 128 + int(e.number) }

// signalOf returns the signal that ended ctx, or nil.
func signalOf(ctx context.Context) *signalError {
	var s *signalError
	errors.As(context.Cause(ctx), &s)
	return s
}

// patience is how long the program may take to end by itself after a signal.
const patience = 5 * time.Second

// withInterrupts returns a context that ends at SIGINT, SIGTERM, SIGHUP and
// SIGQUIT. At a second one, or when the program has not ended a while after
// the first, it ends at once, but for the terminal, which is as before. stop
// makes signals work as usual again.
func withInterrupts(ctx context.Context) (_ context.Context, stop func()) {
	i := &interrupts{restores: map[int]func(){}, end: os.Exit}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, interruptsKey{}, i))
	c := make(chan os.Signal, 8) // none is lost while another is acted on
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // nohup ignores SIGHUP for us
			signal.Notify(c, s)
		}
	}
	stopped := make(chan struct{})
	go i.watch(c, stopped, cancel)
	return ctx, func() {
		signal.Stop(c)
		close(stopped)
		cancel(nil)
	}
}

// watch waits for signals until stopped is closed.
func (i *interrupts) watch(c <-chan os.Signal, stopped <-chan struct{}, cancel context.CancelCauseFunc) {
	var first *signalError
	var late <-chan time.Time
	for {
		select {
		case got := <-c:
			s := &signalError{got.(syscall.Signal)}
			switch take := i.taken.Load(); {
			case first != nil:
				i.exit(s)
			case take != nil && s.number == syscall.SIGINT:
				(*take)()
			default:
				first, late = s, time.After(patience)
				cancel(s)
			}
		case <-late:
			i.exit(first)
		case <-stopped:
			return
		}
	}
}

// exit ends the program at once.
func (i *interrupts) exit(s *signalError) {
	i.restore()
	i.end(s.exitCode())
}

// restore does what was to be done before the program ends.
func (i *interrupts) restore() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.restores {
		f()
	}
	clear(i.restores)
}

// atExit has f called before the program ends at once, at a second signal or
// a panic. done calls it now, if that was not done yet.
func atExit(ctx context.Context, f func()) (done func()) {
	i, ok := ctx.Value(interruptsKey{}).(*interrupts)
	if !ok {
		return f
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.next
	i.next++
	i.restores[n] = f
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if f, ok := i.restores[n]; ok {
			delete(i.restores, n)
			f()
		}
	}
}

// restoreOnPanic is deferred: a panic goes on with the terminal as before.
func restoreOnPanic(ctx context.Context) {
	if r := recover(); r != nil {
		ctx.Value(interruptsKey{}).(*interrupts).restore()
		panic(r)
	}
}

// takeInterrupts has f called at Ctrl-C, in place of the end of ctx, until
// release is called.
func takeInterrupts(ctx context.Context, f func()) (release func()) {
	i, ok := ctx.Value(interruptsKey{}).(*interrupts)
	if !ok {
		return func() {}
	}
	before := i.taken.Swap(&f)
	return func() { i.taken.Store(before) }
}

package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// interrupts ends a context at SIGINT and SIGTERM. A command that goes on
// after a Ctrl-C can take SIGINT over for a while.
type interrupts struct {
	taken atomic.Pointer[func()]
}

type interruptsKey struct{}

// withInterrupts returns a context that ends at a signal; a second one ends
// the program at once. stop makes signals work as usual again.
func withInterrupts(ctx context.Context) (_ context.Context, stop func()) {
	i := new(interrupts)
	ctx, cancel := context.WithCancel(context.WithValue(ctx, interruptsKey{}, i))
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for {
			select {
			case s := <-c:
				if take := i.taken.Load(); take != nil && s == os.Interrupt {
					(*take)()
					continue
				}
				signal.Stop(c)
				cancel()
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		cancel()
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

package main

import (
	"context"
	"os"
	"syscall"
	"testing"
)

// TestSignals sends signals to the watcher of a program that does not end.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		signals []os.Signal
		taken   int // of them, those that a command takes over
		code    int
	}{
		{[]os.Signal{syscall.SIGTERM, syscall.SIGTERM}, 0, 143},
		{[]os.Signal{syscall.SIGINT, syscall.SIGINT}, 0, 130},
		{[]os.Signal{syscall.SIGTERM, syscall.SIGINT}, 0, 130},
		{[]os.Signal{syscall.SIGHUP, syscall.SIGQUIT}, 0, 131},
		{[]os.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGHUP, syscall.SIGHUP}, 2, 129},
	} {
		i := &interrupts{restores: map[int]func(){}}
		ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), interruptsKey{}, i))
		restored, interrupted := 0, make(chan bool, len(c.signals))
		atExit(ctx, func() { restored++ })
		twice := 0
		atExit(ctx, func() {
			if twice++; twice > 1 {
				t.Error("what was done is done again")
			}
		})()
		codes, stopped, signals := make(chan int, 1), make(chan struct{}), make(chan os.Signal)
		i.end = func(code int) { codes <- code }
		go i.watch(signals, stopped, cancel)
		release := takeInterrupts(ctx, func() { interrupted <- true })
		for n, s := range c.signals {
			if n == c.taken {
				release()
			}
			signals <- s
			if n < c.taken {
				<-interrupted
			}
		}
		if code := <-codes; code != c.code || restored != 1 {
			t.Errorf("%v: exit code %d, restored %d times; want %d and once", c.signals, code, restored, c.code)
		}
		if s := signalOf(ctx); s == nil || s.number != c.signals[c.taken] {
			t.Errorf("%v: the context ended for %v", c.signals, context.Cause(ctx))
		}
		close(stopped)
	}
}

func TestRestoreOnPanic(t *testing.T) {
	ctx, stop := withInterrupts(context.Background())
	defer stop()
	restored := 0
	done := atExit(ctx, func() { restored++ })
	defer func() {
		if r := recover(); r != "broken" || restored != 1 {
			t.Errorf("a panic became %v, restored %d times", r, restored)
		}
		if done(); restored != 1 {
			t.Errorf("restored %d times", restored)
		}
	}()
	defer restoreOnPanic(ctx)
	panic("broken")
}

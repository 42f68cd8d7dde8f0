package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"qgo/bench"
)

func TestSpanText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "1 s", 0: "1 s", 1600 * time.Millisecond: "2 s", 119 * time.Second: "119 s",
		2 * time.Minute: "2 min", 100*time.Minute + 40*time.Second: "101 min", 3 * time.Hour: "3 h",
	} {
		if got := spanText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBenchProgress(t *testing.T) {
	var errOut, terminal bytes.Buffer
	now := time.Unix(1e9, 0)
	p := &benchProgress{errOut: &errOut, line: &status{out: &terminal}, width: func() int { return 40 }, now: func() time.Time { return now }, stop: make(chan struct{})}
	p.set(bench.Status{Step: "the machine's ceilings with 2 threads"})
	if errOut.Len() > 0 {
		t.Errorf("it says %q before it knows", errOut.String())
	}
	p.set(bench.Status{Step: "loading a\x1b[2J-very-long-name-of-a-model.gguf", Left: 90 * time.Second})
	p.set(bench.Status{Step: "tg128: repetition 2", Left: 60 * time.Second})
	if got, want := errOut.String(), "This takes about 90 s; Ctrl-C ends it and keeps what was measured.\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	now = now.Add(7 * time.Second)
	if got, want := p.text(39), "tg128: repetition 2  53 s left"; got != want {
		t.Errorf("after 7 s: %q, want %q", got, want)
	}
	for _, line := range strings.Split(terminal.String(), "\r\033[K") {
		if strings.Contains(line, "\x1b") || len([]rune(line)) > 39 {
			t.Errorf("line %q", line)
		}
	}
	p.begin()
	p.end()
}

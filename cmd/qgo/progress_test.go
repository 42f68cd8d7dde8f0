package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressLine(t *testing.T) {
	p := &progress{name: "qwen2.5-0.5b-instruct-q4_0.gguf"}
	const done, total = 107e6, 428e6
	if got, want := p.line(done, total, 10*time.Second, 100), "25% "; !strings.Contains(got, want) || !strings.HasSuffix(got, "107 MB of 428 MB  11 MB/s  30s left") {
		t.Errorf("line %q", got)
	}
	for width := range 120 {
		got := p.line(done, total, 10*time.Second, width)
		if n := utf8.RuneCountInString(got); n > width {
			t.Errorf("%d columns in a width of %d: %q", n, width, got)
		}
		if width >= 40 && !strings.Contains(got, "25%") || width >= 50 && !strings.Contains(got, "107 MB of 428 MB") {
			t.Errorf("in a width of %d: %q", width, got)
		}
	}
	p.first = done // what was there before does not count in the rate
	if got := p.line(done, total, 10*time.Second, 100); strings.Contains(got, "/s") {
		t.Errorf("a rate without anything done: %q", got)
	}
}

// TestProgress wants few lines, and one that is taken away.
func TestProgress(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(0, 0)
	p := &progress{name: "x", out: &out, width: func() int { return 60 }, now: func() time.Time { return clock }}
	for i := range int64(1000) {
		clock = clock.Add(time.Millisecond)
		p.set(i, 1000)
	}
	p.end()
	if n := strings.Count(out.String(), "%"); n != 10 {
		t.Errorf("%d lines in a second, want 10", n)
	}
	if !strings.HasSuffix(out.String(), "\r\033[K") {
		t.Errorf("the end is %q", out.String()[out.Len()-8:])
	}
}

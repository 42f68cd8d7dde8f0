package main

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressLine(t *testing.T) {
	p := &progress{name: "qwen2.5-0.5b-instruct-q4_0.gguf"}
	const done, total = 107e6, 428e6
	if got, want := p.line(done, total, 10*time.Second, 100), "25% "; !strings.Contains(got, want) || !strings.HasSuffix(got, "107 MB of 428 MB  11 MB/s  30 s left") {
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

// TestProgressDelay wants nothing of what is soon done.
func TestProgressDelay(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(0, 0)
	p := &progress{name: "x", out: &out, width: func() int { return 60 }, now: func() time.Time { return clock }, delay: progressDelay}
	for range 19 {
		p.set(1, 1000)
		clock = clock.Add(10 * time.Millisecond)
	}
	p.end()
	if out.Len() > 0 {
		t.Errorf("within %v: %q", progressDelay, out.String())
	}
	clock = clock.Add(20 * time.Millisecond)
	p.set(500, 1000)
	if !strings.Contains(out.String(), "50%") {
		t.Errorf("after %v: %q", progressDelay, out.String())
	}
}

// TestReading reads a text of 4000 tokens at 85 tokens a second, in small steps.
func TestReading(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(0, 0)
	r := &reading{status: &status{out: &out}, now: func() time.Time { return clock }}
	const total = 4000
	r.set(0, total)
	lines, last := 0, clock
	for clock.Sub(time.Unix(0, 0)) < 10*time.Second {
		clock = clock.Add(time.Second / 1000)
		before := out.Len()
		r.set(int(85*clock.Sub(time.Unix(0, 0)).Seconds()), total)
		if out.Len() == before {
			continue
		}
		lines++
		if gap := clock.Sub(last); gap > time.Second {
			t.Errorf("nothing for %v", gap)
		}
		last = clock
	}
	if lines < 90 || lines > 100 {
		t.Errorf("%d lines in 10 seconds, want about one in %v", lines, progressInterval)
	}
	if want := "reading 841 of 4000 tokens  85 t/s  37 s left"; !strings.Contains(out.String(), "\r\033[K"+want) {
		t.Errorf("no %q in %q", want, out.String())
	}
	r.end()
	if !strings.HasSuffix(out.String(), "\r\033[K") {
		t.Errorf("the end is %q", out.String()[out.Len()-8:])
	}
}

func TestReadingText(t *testing.T) {
	for _, c := range []struct {
		done    int
		elapsed time.Duration
		want    string
	}{
		{0, time.Second, "reading 0 of 4000 tokens"},
		{512, 6 * time.Second, "reading 512 of 4000 tokens  85 t/s  41 s left"},
		{10, 5 * time.Second, "reading 10 of 4000 tokens  2.0 t/s  33 min 15 s left"},
	} {
		if got := readingText(c.done, 4000, c.elapsed); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestLeftText(t *testing.T) {
	for seconds, want := range map[float64]string{
		-1: "0 s", 0.4: "0 s", 41.2: "41 s", 59.7: "1 min 0 s", 3599: "59 min 59 s", 3600: "1 h 0 min", 90061: "25 h 1 min",
	} {
		if got := leftText(seconds); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
	if got := leftText(math.Inf(1)); got != "277777 h 46 min" {
		t.Errorf("infinity: %q", got)
	}
}

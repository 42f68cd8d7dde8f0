package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progress is one line on the standard error that is written over and over:
//
//	name  43% ████████           427 of 994 MB  52 MB/s  11 s left
//
// It shows nothing when the standard error is no terminal that can do that.
type progress struct {
	out   io.Writer // nil: show nothing
	width func() int
	name  string
	now   func() time.Time
	start time.Time
	shown time.Time
	first int64 // done at the start: it does not count in the rate
	begun bool
	delay time.Duration // before it is shown
}

// A line is written anew at most this often, and one for what is usually soon
// done comes after a while.
const (
	progressInterval = 100 * time.Millisecond
	progressDelay    = 200 * time.Millisecond
)

func newProgress(cmd *cobra.Command, name string) *progress {
	p := &progress{name: name, now: time.Now}
	if canOverwrite(cmd.ErrOrStderr()) {
		p.out = cmd.ErrOrStderr()
		p.width = func() int { return terminalWidth(p.out) }
	}
	return p
}

// canOverwrite reports whether a stream is a terminal that can write a line
// again.
func canOverwrite(stream any) bool { return isTerminal(stream) && os.Getenv("TERM") != "dumb" }

// terminalWidth is the number of columns of a terminal, 80 if it does not say.
func terminalWidth(stream any) int {
	if f, ok := stream.(interface{ Fd() uintptr }); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// set shows that done of total bytes are there. It may be called often.
func (p *progress) set(done, total int64) {
	if p.out == nil {
		return
	}
	now := p.now()
	if !p.begun {
		p.begun, p.start, p.first = true, now, done
	} else if now.Sub(p.shown) < progressInterval {
		return
	}
	if now.Sub(p.start) < p.delay {
		return
	}
	p.shown = now
	fmt.Fprintf(p.out, "\r%s\033[K", p.line(done, total, now.Sub(p.start), p.width()-1))
}

// end takes the line away.
func (p *progress) end() {
	if p.out != nil && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\033[K")
	}
}

// line is the text for a terminal of that width. What does not fit goes: the
// name is cut, the bar shrinks to nothing, the rate is left out.
func (p *progress) line(done, total int64, elapsed time.Duration, width int) string {
	share := 1.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1)
	}
	percent := fmt.Sprintf("%3.0f%%", 100*share)
	amount := fmt.Sprintf("%s of %s", bytesText(done), bytesText(total))
	rate := ""
	if n := float64(done - p.first); n > 0 && elapsed > 0 {
		perSecond := n / elapsed.Seconds()
		rate = fmt.Sprintf("  %s/s  %s left", bytesText(perSecond), leftText(float64(total-done)/perSecond))
	}
	const gaps = 4
	room := width - utf8.RuneCountInString(percent+amount+rate) - gaps
	if room < 12 {
		room += utf8.RuneCountInString(rate)
		rate = ""
	}
	name := []rune(p.name)
	if n := max(room-10, 8); len(name) > n {
		name = append(name[:n-1], '…')
	}
	bar := min(max(room-len(name), 0), 30)
	full := int(share*float64(bar) + 0.5)
	text := fmt.Sprintf("%s %s %s%s %s%s", string(name), percent, strings.Repeat("█", full), strings.Repeat("░", bar-full), amount, rate)
	if r := []rune(text); len(r) > width {
		text = string(r[:max(width, 0)])
	}
	return text
}

// leftText is a time that something will still take, in words.
func leftText(seconds float64) string {
	const most = 1e9 // more than anyone waits for
	s := int64(math.Round(min(max(seconds, 0), most)))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// status is a line on the standard error that comes and goes, if it is a
// terminal that can do that.
type status struct {
	out   io.Writer // nil: show nothing
	shown bool
}

func newStatus(cmd *cobra.Command) *status {
	if canOverwrite(cmd.ErrOrStderr()) {
		return &status{out: cmd.ErrOrStderr()}
	}
	return &status{}
}

func (s *status) show(format string, args ...any) {
	if s.out != nil {
		s.shown = true
		fmt.Fprintf(s.out, "\r\033[K"+format, args...)
	}
}

func (s *status) clear() {
	if s.shown {
		s.shown = false
		fmt.Fprint(s.out, "\r\033[K")
	}
}

// reading shows how far the model has read a text:
//
//	reading 512 of 4000 tokens  85 t/s  41 s left
type reading struct {
	status       *status
	now          func() time.Time
	start, shown time.Time
}

func newReading(cmd *cobra.Command) *reading {
	return &reading{status: newStatus(cmd), now: time.Now}
}

// set shows that done of total tokens are read. It may be called often. A text
// begins with done = 0.
func (r *reading) set(done, total int) {
	if r.status.out == nil {
		return
	}
	now := r.now()
	if done == 0 && r.start.IsZero() {
		r.start = now
	}
	if done >= total || now.Sub(r.start) < progressDelay || now.Sub(r.shown) < progressInterval {
		return
	}
	r.shown = now
	line := []rune(readingText(done, total, now.Sub(r.start)))
	r.status.show("%s", string(line[:min(len(line), terminalWidth(r.status.out)-1)]))
}

// end takes the line away; the next text is another.
func (r *reading) end() {
	r.status.clear()
	r.start, r.shown = time.Time{}, time.Time{}
}

func readingText(done, total int, elapsed time.Duration) string {
	text := fmt.Sprintf("reading %d of %d tokens", done, total)
	if done > 0 && elapsed > 0 {
		rate := float64(done) / elapsed.Seconds()
		text += fmt.Sprintf("  %.*f t/s  %s left", rateDigits(rate), rate, leftText(float64(total-done)/rate))
	}
	return text
}

// rateDigits is the number of digits behind the point that a rate is worth.
func rateDigits(rate float64) int {
	if rate < 10 {
		return 1
	}
	return 0
}

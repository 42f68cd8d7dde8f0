package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progress is one line on the standard error that is written over and over:
//
//	name  43% ████████           427 of 994 MB  52 MB/s  11s
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
}

const progressInterval = 100 * time.Millisecond

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
	p.shown = now
	fmt.Fprintf(p.out, "\r%s\033[K", p.line(done, total, now.Sub(p.start), p.width()-1))
}

// end takes the line away.
func (p *progress) end() {
	if p.out != nil && p.begun {
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
		left := time.Duration(float64(total-done) / perSecond * float64(time.Second))
		rate = fmt.Sprintf("  %s/s  %s left", bytesText(perSecond), left.Round(time.Second))
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

package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"qgo/bench"
)

// redraw is how often a bench's line of progress is drawn, and its time left
// counts down.
const redraw = 500 * time.Millisecond

// benchProgress says once how long a bench takes, and shows on a terminal what
// it is doing.
type benchProgress struct {
	errOut io.Writer
	line   *status
	width  func() int
	now    func() time.Time
	stop   chan struct{}
	done   sync.WaitGroup

	mu   sync.Mutex
	last bench.Status
	at   time.Time // when the last one came
	said bool      // how long it takes
}

func newBenchProgress(cmd *cobra.Command) *benchProgress {
	errOut := cmd.ErrOrStderr()
	return &benchProgress{
		errOut: errOut, line: newStatus(cmd), width: func() int { return terminalWidth(errOut) }, now: time.Now, stop: make(chan struct{}),
	}
}

// begin draws again and again until end is called.
func (p *benchProgress) begin() {
	p.done.Go(func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				p.draw()
				p.mu.Unlock()
			}
		}
	})
}

// end takes the line away.
func (p *benchProgress) end() {
	close(p.stop)
	p.done.Wait()
	p.line.clear()
}

// set is told what is being done.
func (p *benchProgress) set(s bench.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.at = s, p.now()
	if !p.said && s.Left > 0 {
		p.said = true
		p.line.clear()
		fmt.Fprintf(p.errOut, "This takes about %s; Ctrl-C ends it and keeps what was measured.\n", spanText(s.Left))
	}
	p.draw()
}

func (p *benchProgress) draw() {
	if p.last.Step != "" {
		p.line.show("%s", p.text(p.width()-1))
	}
}

// text is the line for a terminal of that width: the step is cut before the
// time is.
func (p *benchProgress) text(width int) string {
	left := ""
	if p.last.Left > 0 {
		left = "  " + spanText(p.last.Left-p.now().Sub(p.at)) + " left"
	}
	return clip(p.last.Step, max(width-len(left), 8)) + left
}

// spanText is a time to wait in words: to the second below two minutes, to the
// minute below two hours.
func spanText(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Round(time.Second).Seconds()), 1))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
}

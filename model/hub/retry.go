package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxWait is the longest that a server's Retry-After is obeyed. Who asks for
// more is left alone.
const maxWait = time.Minute

// retry calls try until it succeeds, fails for good, or fails too often
// without getting anywhere. try reports whether it got somewhere.
func (c *Client) retry(ctx context.Context, try func() (progress bool, err error)) error {
	pause := c.Pause
	for failures := 1; ; failures++ {
		progress, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if progress {
			failures, pause = 1, c.Pause
		}
		if permanent(err) || failures >= c.Attempts {
			return err
		}
		what, wait := err.Error(), pause
		var f *fault
		if errors.As(err, &f) {
			if f.after > maxWait {
				return &fault{what: fmt.Sprintf("%s, and wants to be left alone for %s", f.what, inWords(f.after)),
					advice: "try again after that, what was downloaded is kept", permanent: true}
			}
			what, wait = f.what, max(wait, f.after)
		}
		c.announce(fmt.Sprintf("%s; trying again in %s (%d of %d)", what, inWords(wait), failures, c.Attempts-1), wait)
		if err := c.wait(ctx, wait); err != nil {
			return err
		}
		const longest = 30 * time.Second
		pause = min(2*pause, longest)
	}
}

// inWords is a time for people.
func inWords(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.String()
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f hours", d.Hours())
}

// wait sleeps, unless ctx ends.
func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.sleep != nil {
		return c.sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// said is the last announcement.
type said struct {
	mu    sync.Mutex
	text  string
	until time.Time
}

// announce tells the user something that holds for a while. Several
// connections that fail alike say so once.
func (c *Client) announce(text string, holds time.Duration) {
	if c.Notice == nil {
		return
	}
	now := time.Now()
	c.said.mu.Lock()
	again := text == c.said.text && now.Before(c.said.until)
	c.said.text, c.said.until = text, now.Add(holds)
	c.said.mu.Unlock()
	if !again {
		c.Notice(text)
	}
}

// ifLong tells the user what takes so long, unless stop is called soon.
// Nothing is said after stop has returned.
func (c *Client) ifLong(text string) (stop func()) {
	const soon = 500 * time.Millisecond
	said := make(chan struct{})
	timer := time.AfterFunc(soon, func() {
		defer close(said)
		c.announce(text, 0)
	})
	return func() {
		if !timer.Stop() {
			<-said
		}
	}
}

package emulator

import "time"

// Record notes the time: launches run to their end.
func (c *Context) Record(i int) error {
	for i >= len(c.events) {
		c.events = append(c.events, time.Time{})
	}
	c.events[i] = time.Now()
	return c.wait()
}

// Elapsed is the time from one event to another.
func (c *Context) Elapsed(i, j int) (time.Duration, error) {
	return c.events[j].Sub(c.events[i]), c.wait()
}

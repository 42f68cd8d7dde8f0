package machine

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

// Neighbours watches how many CPUs other programs keep busy.
type Neighbours struct {
	host  *hostSystem
	since time.Time
}

// WatchNeighbours begins to watch.
func WatchNeighbours() *Neighbours { return &Neighbours{newHostSystem(), time.Now()} }

// Busy is how many logical CPUs other programs kept busy since the last call,
// on average; 0 where the system does not tell, or after too short a time.
func (n *Neighbours) Busy() float64 {
	now := time.Now()
	if now.Sub(n.since) < shortest {
		return 0
	}
	n.since = now
	var s Sample
	n.host.fill(&s)
	return s.foreign() * float64(runtime.NumCPU())
}

// foreign is the share of all logical CPUs that other programs kept busy.
func (s *Sample) foreign() float64 { return max(s.CPU-s.Own, 0) }

// BusyText says in words how many CPUs other programs keep busy; "" for less
// than half of one.
func BusyText(busy float64, cpus int) string {
	n := int(math.Round(busy))
	switch {
	case n < 1:
		return ""
	case cpus == 1:
		return "the only CPU is busy with other programs"
	case n == 1:
		return fmt.Sprintf("1 of %d CPUs is busy with other programs", cpus)
	}
	return fmt.Sprintf("%d of %d CPUs are busy with other programs", n, cpus)
}

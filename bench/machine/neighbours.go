package machine

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

// Neighbours watches how many CPUs other programs keep busy.
type Neighbours struct {
	host   *hostSystem
	since  time.Time
	stolen float64
}

// WatchNeighbours begins to watch.
func WatchNeighbours() *Neighbours { return &Neighbours{host: newHostSystem(), since: time.Now()} }

// Busy is how many of the logical CPUs that this process may use other programs
// kept busy since the last call, on average; 0 where the system does not tell,
// or after too short a time.
func (n *Neighbours) Busy() float64 {
	now := time.Now()
	if now.Sub(n.since) < shortest {
		return 0
	}
	n.since = now
	var s Sample
	n.host.fill(&s)
	n.stolen = s.Steal
	return s.foreign() * float64(runtime.NumCPU())
}

// Stolen is the share of the CPUs' time that the host of a virtual machine gave
// to others until the last call of [Neighbours.Busy].
func (n *Neighbours) Stolen() float64 { return n.stolen }

// foreign is the share of the logical CPUs that other programs kept busy.
func (s *Sample) foreign() float64 { return max(s.CPU-s.Own-s.Steal, 0) }

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

// StolenText says in words what share of its CPUs' time a virtual machine did
// not get.
func StolenText(share float64) string {
	return fmt.Sprintf("the host of this virtual machine gave %.0f %% of its CPUs' time to others", 100*share)
}

package machine

import (
	"os"

	"github.com/shirou/gopsutil/v4/process"
)

// Meter measures how much of the CPUs' time other programs take between two readings.
type Meter struct {
	process *process.Process
	times   busyTimes
	own     float64 // of this process and of the programs that it has waited for, in seconds
	known   bool
}

// NewMeter begins to count.
func NewMeter() *Meter {
	m := &Meter{}
	m.process, _ = process.NewProcess(int32(os.Getpid()))
	m.Foreign()
	return m
}

// Foreign is the share of the CPUs' time, since the last call, that was neither
// idle nor taken by this process or by programs that it started and has waited for:
// other programs', and of a virtual machine what its host gave to others. It is
// false if the system does not tell.
func (m *Meter) Foreign() (float64, bool) {
	now, ok := cpuTimes()
	own, ownOK := m.ownTime()
	before, ownBefore, known := m.times, m.own, m.known
	m.times, m.own, m.known = now, own, ok && ownOK
	d := now.total - before.total
	if !known || !m.known || d <= 0 {
		return 0, false
	}
	busy := d - (now.idle - before.idle)
	return min(max((busy-(own-ownBefore))/d, 0), 1), true
}

// ownTime is what this process and its children have taken, in seconds.
func (m *Meter) ownTime() (float64, bool) {
	if m.process == nil {
		return 0, false
	}
	t, err := m.process.Times()
	children, ok := childrenTime()
	return t.User + t.System + children, err == nil && ok
}

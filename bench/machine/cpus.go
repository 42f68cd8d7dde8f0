package machine

import "github.com/shirou/gopsutil/v4/cpu"

// allowed are the CPUs that this process may use. They are asked for before
// any thread is bound to one of them.
var allowed = allowedCPUs()

// busyTimes are times since the machine's start, in seconds, over all CPUs that
// count.
type busyTimes struct{ total, idle, steal float64 }

// cpuTimes returns the times of the CPUs that this process may use: in a
// container, what the others do is of no importance.
func cpuTimes() (sum busyTimes, ok bool) {
	if allowed != nil {
		if each, err := cpu.Times(true); err == nil {
			sum = addTimes(each, allowed)
		}
	}
	if sum.total == 0 {
		if all, err := cpu.Times(false); err == nil {
			sum = addTimes(all, nil)
		}
	}
	return sum, sum.total > 0
}

// addTimes adds up the times of the CPUs with these names, or of all.
func addTimes(times []cpu.TimesStat, names map[string]bool) (sum busyTimes) {
	for _, t := range times {
		if names != nil && !names[t.CPU] {
			continue
		}
		idle := t.Idle + t.Iowait
		sum.idle += idle
		sum.steal += t.Steal
		sum.total += t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal + idle
	}
	return sum
}

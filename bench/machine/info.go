package machine

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/cpuid/v2"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// Info is what a machine is and how it is set.
type Info struct {
	Board     string   `json:"board,omitempty"`
	CPU       string   `json:"cpu"`
	Threads   int      `json:"logical_cpus"`
	OS        string   `json:"os"`
	Arch      string   `json:"arch"`
	Kernel    string   `json:"kernel,omitempty"`
	Memory    int64    `json:"memory_bytes"`
	Swap      int64    `json:"swap_bytes"`
	Cache     int64    `json:"last_level_cache_bytes,omitempty"` // all of the last level; 0 if unknown
	Governors []string `json:"governors,omitempty"`              // each once
	MaxClock  float64  `json:"max_clock_hz,omitempty"`
	PowerMode string   `json:"power_mode,omitempty"` // nvpmodel's
	Zones     []Zone   `json:"zones,omitempty"`
	Rails     []Rail   `json:"rails,omitempty"`
	NoPower   string   `json:"no_power,omitempty"` // why no energy can be measured, in words
}

// CPUName is the processor's name, or the architecture's where the system
// does not tell.
func CPUName() string {
	return cpuName(cpuid.CPU.BrandName, cpuid.CPU.Family, cpuid.CPU.Model)
}

// cpuName adds family and model to a brand without a number, which is what virtual
// machines are often given: "Intel(R) Xeon(R) Processor" is any of several
// generations.
func cpuName(brand string, family, model int) string {
	brand = strings.TrimSpace(brand)
	if brand == "" {
		return runtime.GOARCH
	}
	if name, _, _ := strings.Cut(brand, "@"); family != 0 && !strings.ContainsAny(name, "0123456789") {
		return fmt.Sprintf("%s, family %d model %d", brand, family, model)
	}
	return brand
}

// Info describes the machine of the sensors; what only gopsutil knows is that
// of this one.
func (s *Sensors) Info() Info {
	i := Info{CPU: CPUName(), Threads: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if v, err := mem.VirtualMemory(); err == nil {
		i.Memory = int64(v.Total)
	}
	if v, err := mem.SwapMemory(); err == nil {
		i.Swap = int64(v.Total)
	}
	i.Kernel, _ = host.KernelVersion()
	i.Cache = LastLevelCache(s.root)
	s.settings(&i)
	return i
}

// settings fills in what the sensors' file system tells.
func (s *Sensors) settings(i *Info) {
	if i.Board = s.text("proc/device-tree/model"); i.Board == "" {
		i.Board = s.text("sys/devices/virtual/dmi/id/product_name")
	}
	seen := map[string]bool{}
	for _, dir := range s.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq") {
		if g := s.text(path.Join(dir, "scaling_governor")); g != "" && !seen[g] {
			seen[g] = true
			i.Governors = append(i.Governors, g)
		}
		i.MaxClock = max(i.MaxClock, 1e3*s.number(path.Join(dir, "cpuinfo_max_freq")))
	}
	i.PowerMode = s.powerMode()
	for _, z := range s.zones {
		i.Zones = append(i.Zones, z.Zone)
	}
	for _, r := range s.rails {
		i.Rails = append(i.Rails, r.Rail)
	}
	i.NoPower = s.noPower()
}

// noPower says why no rail feeds the whole machine, empty if one does.
func (s *Sensors) noPower() string {
	if slices.ContainsFunc(s.rails, func(r rail) bool { return r.Total }) {
		return ""
	}
	board := s.text("proc/device-tree/model")
	switch {
	case len(s.rails) > 0:
		return "its rails feed parts of the board only"
	case len(s.glob("sys/class/powercap/intel-rapl:*/energy_uj")) > 0:
		return "since Linux 5.10 only root may read RAPL's counters"
	case strings.Contains(s.text("proc/cpuinfo"), "hypervisor"):
		return "it is a virtual machine, to which the host shows no RAPL"
	case strings.Contains(board, "Jetson Nano 2GB"):
		return "a Jetson Nano 2GB has no power monitor"
	case len(s.glob("sys/class/power_supply/BAT*")) > 0:
		return "there is no RAPL, and its battery is not discharging"
	}
	return "there is no INA3221, RAPL, NVML or battery that tells"
}

// powerMode is the mode that nvpmodel has set: its number in
// /var/lib/nvpmodel/status, its name in /etc/nvpmodel.conf.
func (s *Sensors) powerMode() string {
	_, number, ok := strings.Cut(s.text("var/lib/nvpmodel/status"), "pmode:")
	if !ok {
		return ""
	}
	var id int
	if _, err := fmt.Sscanf(number, "%d", &id); err != nil {
		return ""
	}
	for _, m := range powerModels(s.text("etc/nvpmodel.conf")) {
		if m.id == id {
			return m.name
		}
	}
	return fmt.Sprintf("mode %d", id)
}

// powerModel is a mode of nvpmodel.
type powerModel struct {
	id   int
	name string
}

// powerModels are the modes in the text of nvpmodel.conf.
func powerModels(conf string) (all []powerModel) {
	for line := range strings.Lines(conf) {
		var m powerModel
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "< POWER_MODEL ID=%d NAME=%s >", &m.id, &m.name); err == nil {
			all = append(all, m)
		}
	}
	return all
}

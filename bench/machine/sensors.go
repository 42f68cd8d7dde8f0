// Package machine tells what a machine is and watches it while something
// runs: clocks, temperatures, power, memory and load, from sysfs on Linux and
// by gopsutil everywhere.
package machine

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Zone is a place whose temperature is known.
type Zone struct {
	Name string `json:"name"`
	// Passive is the temperature in °C from which on the system slows the
	// machine down, 0 if it does not tell.
	Passive float64 `json:"passive_celsius,omitempty"`
}

// Rail is a supply whose power is known.
type Rail struct {
	Name string `json:"name"`
	// Total is set if the rail's power counts towards the energy: the others
	// are parts of one that does.
	Total bool `json:"total,omitempty"`
}

// sensor is a file that holds a number, or a function that returns one.
type sensor struct {
	path  string
	scale float64
	ask   func() (float64, bool)
}

// zone, rail and event are what the system offers.
type zone struct {
	Zone
	sensor
}

type rail struct {
	Rail
	power   sensor // in watts, or
	current sensor // amperes, times
	voltage sensor // volts, or
	energy  sensor // a counter of joules
	wraps   float64
	limit   float64 // current in amperes that is critical, 0 if unknown
}

// Sensors are the readable sensors of a machine.
type Sensors struct {
	root     fs.FS // of the file system: paths are sys/…, proc/…
	zones    []zone
	rails    []rail
	clocks   []sensor
	gpuLoad  sensor
	gpuClock sensor
	memClock sensor
	counters []counter
}

// Discover finds the sensors below root, os.DirFS("/") but for tests.
func Discover(root fs.FS) *Sensors {
	s := &Sensors{root: root}
	s.findThermal()
	s.findHwmonTemps()
	s.findINA3221x()
	s.findINA3221()
	s.findRAPL()
	s.findBattery()
	s.findClocks()
	s.findCounters()
	return s
}

// text reads a small file; what cannot be read is empty.
func (s *Sensors) text(path string) string {
	b, err := fs.ReadFile(s.root, path)
	if err != nil {
		return ""
	}
	return strings.TrimRight(strings.TrimSpace(string(b)), "\x00")
}

// read reads a sensor.
func (s *Sensors) read(x sensor) (float64, bool) {
	switch {
	case x.ask != nil:
		return x.ask()
	case x.path == "":
		return 0, false
	}
	v, err := strconv.ParseFloat(s.text(x.path), 64)
	return v * x.scale, err == nil
}

// number reads a file that holds a number, 0 if it does not.
func (s *Sensors) number(path string) float64 {
	v, _ := s.read(sensor{path: path, scale: 1})
	return v
}

// readable returns the sensor if it can be read now.
func (s *Sensors) readable(path string, scale float64) (sensor, bool) {
	x := sensor{path: path, scale: scale}
	_, ok := s.read(x)
	return x, ok
}

// glob returns the paths of a pattern in numeric order.
func (s *Sensors) glob(pattern string) []string {
	paths, err := fs.Glob(s.root, pattern)
	if err != nil {
		return nil
	}
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return paths
}

// findThermal reads the kernel's thermal zones
// (Documentation/driver-api/thermal/sysfs-api.rst): temperatures in m°C.
func (s *Sensors) findThermal() {
	for _, dir := range s.glob("sys/class/thermal/thermal_zone*") {
		x, ok := s.readable(path.Join(dir, "temp"), 1e-3)
		if !ok {
			continue
		}
		z := zone{Zone{Name: s.text(path.Join(dir, "type"))}, x}
		for _, file := range s.glob(path.Join(dir, "trip_point_*_type")) {
			if s.text(file) != "passive" {
				continue
			}
			t := s.number(strings.TrimSuffix(file, "type")+"temp") / 1000
			if t > 0 && (z.Passive == 0 || t < z.Passive) {
				z.Passive = t
			}
		}
		s.zones = append(s.zones, z)
	}
}

// findHwmonTemps reads the CPU sensors of hwmon
// (Documentation/hwmon/{coretemp,k10temp}.rst): m°C.
func (s *Sensors) findHwmonTemps() {
	for _, dir := range s.glob("sys/class/hwmon/hwmon*") {
		name := s.text(path.Join(dir, "name"))
		if name != "coretemp" && name != "k10temp" && name != "zenpower" {
			continue
		}
		// The first is that of the package (coretemp) or Tctl (k10temp).
		if x, ok := s.readable(path.Join(dir, "temp1_input"), 1e-3); ok {
			s.zones = append(s.zones, zone{Zone{name, s.number(path.Join(dir, "temp1_max")) / 1000}, x})
		}
	}
}

// totals are the rails that feed a whole Jetson module.
var totals = []string{"POM_5V_IN", "VDD_IN", "5V_IN"}

// findINA3221x reads the power monitors of Jetson boards under Linux 4.9
// (Jetson Linux 32 developer guide, "Software-Based Power Consumption
// Modeling"): mW, mV and mA.
func (s *Sensors) findINA3221x() {
	for _, dir := range s.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*") {
		for _, file := range s.glob(path.Join(dir, "rail_name_*")) {
			n := strings.TrimPrefix(path.Base(file), "rail_name_")
			power, ok := s.readable(path.Join(dir, "in_power"+n+"_input"), 1e-3)
			if !ok {
				continue
			}
			current, _ := s.readable(path.Join(dir, "in_current"+n+"_input"), 1e-3)
			s.addRail(rail{
				Rail: Rail{Name: s.text(file)}, power: power, current: current,
				limit: s.number(path.Join(dir, "crit_current_limit_"+n)) / 1000,
			})
		}
	}
}

// findINA3221 reads them under newer kernels (Documentation/hwmon/ina3221.rst):
// mV and mA.
func (s *Sensors) findINA3221() {
	for _, dir := range s.glob("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*") {
		for _, file := range s.glob(path.Join(dir, "in*_label")) {
			n := strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "in"), "_label")
			voltage, okV := s.readable(path.Join(dir, "in"+n+"_input"), 1e-3)
			current, okC := s.readable(path.Join(dir, "curr"+n+"_input"), 1e-3)
			if !okV || !okC {
				continue
			}
			s.addRail(rail{
				Rail: Rail{Name: s.text(file)}, voltage: voltage, current: current,
				limit: s.number(path.Join(dir, "curr"+n+"_crit")) / 1000,
			})
		}
	}
}

func (s *Sensors) addRail(r rail) {
	r.Total = slices.Contains(totals, r.Name)
	s.rails = append(s.rails, r)
}

// findRAPL reads the energy counters of packages and memory
// (Documentation/power/powercap/powercap.rst): µJ. Since Linux 5.10 only root
// may.
func (s *Sensors) findRAPL() {
	for _, dir := range s.glob("sys/class/powercap/intel-rapl:*") {
		name := s.text(path.Join(dir, "name"))
		if !strings.HasPrefix(name, "package") && name != "dram" {
			continue
		}
		if x, ok := s.readable(path.Join(dir, "energy_uj"), 1e-6); ok {
			s.rails = append(s.rails, rail{
				Rail: Rail{Name: "RAPL " + name, Total: true}, energy: x,
				wraps: s.number(path.Join(dir, "max_energy_range_uj")) * 1e-6,
			})
		}
	}
}

// findBattery reads what a laptop draws from its battery
// (Documentation/ABI/testing/sysfs-class-power): µW. It is the whole
// machine's, display included, and so not added to RAPL's.
func (s *Sensors) findBattery() {
	for _, dir := range s.glob("sys/class/power_supply/BAT*") {
		if s.text(path.Join(dir, "status")) != "Discharging" {
			continue
		}
		if x, ok := s.readable(path.Join(dir, "power_now"), 1e-6); ok {
			s.rails = append(s.rails, rail{Rail: Rail{Name: path.Base(dir), Total: len(s.rails) == 0}, power: x})
		}
	}
}

// findClocks reads cpufreq (Documentation/admin-guide/pm/cpufreq.rst: kHz) and
// devfreq (Documentation/ABI/testing/sysfs-class-devfreq: Hz), and the load of
// Jetson GPUs, in thousandths (Jetson Linux developer guide).
func (s *Sensors) findClocks() {
	for _, dir := range s.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq") {
		if x, ok := s.readable(path.Join(dir, "scaling_cur_freq"), 1e3); ok {
			s.clocks = append(s.clocks, x)
		}
	}
	for _, p := range []string{
		"sys/devices/gpu.0/load", "sys/devices/57000000.gpu/load", "sys/devices/platform/gpu.0/load",
		"sys/devices/17000000.gpu/load", "sys/devices/platform/17000000.gpu/load",
	} {
		if x, ok := s.readable(p, 1e-3); ok {
			s.gpuLoad = x
			break
		}
	}
	for _, dir := range s.glob("sys/class/devfreq/*") {
		if name := path.Base(dir); strings.Contains(name, "gpu") || strings.HasSuffix(name, ".gm20b") || strings.HasSuffix(name, ".gp10b") || strings.HasSuffix(name, ".gv11b") || strings.HasSuffix(name, ".ga10b") {
			s.gpuClock, _ = s.readable(path.Join(dir, "cur_freq"), 1)
		}
	}
	s.memClock, _ = s.readable("sys/kernel/debug/clk/emc/clk_rate", 1) // root only
}

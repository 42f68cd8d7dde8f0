package machine

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
)

// policies are the directories of cpufreq (Documentation/admin-guide/pm/cpufreq.rst).
const policies = "sys/devices/system/cpu/cpufreq/policy*"

// ofPolicies lists a file of each policy whose CPUs are not all switched off.
func (c *PowerControl) ofPolicies(name string) []string {
	return slices.DeleteFunc(c.glob(policies+"/"+name), func(file string) bool {
		b, err := os.ReadFile(beside(file, "affected_cpus"))
		return err == nil && strings.TrimSpace(string(b)) == ""
	})
}

// CPUs is the number of CPUs that are switched on, 0 if that is not known: a
// mode of nvpmodel may switch some off.
func (c *PowerControl) CPUs() (n int) {
	for part := range strings.SplitSeq(readText(filepath.Join(c.root, "sys/devices/system/cpu/online")), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		lo, errLo := strconv.ParseUint(first, 10, 16)
		hi, errHi := strconv.ParseUint(last, 10, 16)
		if errLo != nil || errHi != nil || hi < lo {
			return 0
		}
		n += int(hi-lo) + 1
	}
	return n
}

// findGovernors finds what chooses the clocks of the CPUs.
func (c *PowerControl) findGovernors() knob {
	k := &fileKnob{c: c, name: "governor", files: func() []string { return c.ofPolicies("scaling_governor") }}
	var names []string // that all CPUs have
	for i, file := range k.files() {
		has := strings.Fields(readText(beside(file, "scaling_available_governors")))
		if i == 0 {
			names = has
		}
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(has, n) })
	}
	if slices.Sort(names); len(names) == 0 {
		k.lack = "governors of the CPUs (cpufreq)"
	}
	k.values = english.WordSeries(names, "or")
	k.form = func(value string) (string, error) {
		if !slices.Contains(names, value) {
			return "", fmt.Errorf("there is no governor %s", show.Quoted(value))
		}
		return value, nil
	}
	k.text = func(_, value string) string { return value }
	k.took = func(_, value, found string) bool { return found == value }
	return k
}

// beside is a file in the same directory.
func beside(file, name string) string { return filepath.Join(filepath.Dir(file), name) }

// readNumber reads a file that holds a number, 0 if it does not.
func readNumber(file string) float64 {
	v, err := strconv.ParseFloat(readText(file), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// kHz is the unit of cpufreq.
const kHz = 1e3

// nextClock is how far the clock that a driver takes may be from the one that
// was asked for, in kHz: many know multiples of 100 MHz only.
const nextClock = 100_000

// findMaxFreq finds the highest clock that the CPUs may have. CPUs that cannot
// go as fast as others stay at their own highest.
func (c *PowerControl) findMaxFreq() knob {
	k := &fileKnob{c: c, name: "maxfreq", files: func() []string { return c.ofPolicies("scaling_max_freq") }}
	least, most := 0.0, 0.0
	for _, file := range k.files() {
		least = max(least, readNumber(beside(file, "cpuinfo_min_freq")), readNumber(beside(file, "scaling_min_freq")))
		most = max(most, readNumber(beside(file, "cpuinfo_max_freq")))
	}
	if !(most > 0 && least <= most) {
		k.lack = "limit of the CPUs' clock (cpufreq)"
	}
	k.values = fmt.Sprintf("%s to %s (GHz)", units(least*kHz, 1e9), units(most*kHz, 1e9))
	k.form = func(value string) (string, error) {
		v, err := strconv.ParseFloat(value, 64)
		if f := v * 1e9 / kHz; err != nil || !(f >= least*(1-rounding) && f <= most*(1+rounding)) {
			return "", fmt.Errorf("maxfreq is %s: choose %s", show.Quoted(value), k.values)
		}
		return strconv.FormatFloat(v, 'g', 6, 64), nil
	}
	want := func(file, value string) float64 {
		v, _ := strconv.ParseFloat(value, 64) // which form has checked
		f := min(max(v*1e9/kHz, readNumber(beside(file, "cpuinfo_min_freq"))), readNumber(beside(file, "cpuinfo_max_freq")))
		return math.Round(f)
	}
	k.text = func(file, value string) string { return strconv.FormatFloat(want(file, value), 'f', 0, 64) }
	k.took = func(file, value, found string) bool {
		f := want(file, value)
		below := 0.0 // of the clocks that there are, the highest that is allowed
		for word := range strings.FieldsSeq(readText(beside(file, "scaling_available_frequencies"))) {
			if v, err := strconv.ParseFloat(word, 64); err == nil && v <= f {
				below = max(below, v)
			}
		}
		got, err := strconv.ParseFloat(found, 64)
		return err == nil && (got == below || math.Abs(got-f) < nextClock)
	}
	return k
}

// rounding is the share by which a number that was printed may lie beside the
// one that was meant.
const rounding = 1e-3

// units is a number in units as text.
func units(v, unit float64) string { return strconv.FormatFloat(v/unit, 'g', 4, 64) }

// nextPower is how far the limit that the hardware takes may be from the one
// that was asked for, in µW: its own unit is an eighth of a watt or less.
const nextPower = 250_000

// longTerm is the first constraint of a package, in µW
// (Documentation/power/powercap/powercap.rst).
const longTerm = "constraint_0_power_limit_uw"

// findRAPLLimits finds the long-term limits of the packages' power.
func (c *PowerControl) findRAPLLimits() knob {
	var all []string
	k := &fileKnob{c: c, name: "rapl", files: func() []string { return all }, lack: "limit of a package's power (RAPL)"}
	most := math.Inf(1)
	for _, file := range c.glob("sys/class/powercap/intel-rapl:*/" + longTerm) {
		name, term := readText(beside(file, "name")), readText(beside(file, "constraint_0_name"))
		if !strings.HasPrefix(name, "package") || term != "long_term" || readText(beside(file, "enabled")) == "0" {
			continue
		}
		all, k.lack = append(all, file), ""
		now := readNumber(file)
		if top := readNumber(beside(file, "constraint_0_max_power_uw")); top > 0 {
			now = max(now, top)
		}
		most = min(most, now)
	}
	const least = 1e6
	k.values = fmt.Sprintf("%s to %s (W of each package)", units(least, 1e6), units(most, 1e6))
	k.form = func(value string) (string, error) {
		v, err := strconv.ParseFloat(value, 64)
		if uw := v * 1e6; err != nil || !(uw >= least && uw <= most*(1+rounding)) {
			return "", fmt.Errorf("rapl is %s: choose %s", show.Quoted(value), k.values)
		}
		return strconv.FormatFloat(v, 'g', 6, 64), nil
	}
	k.text = func(_, value string) string {
		v, _ := strconv.ParseFloat(value, 64) // which form has checked
		return strconv.FormatFloat(math.Round(v*1e6), 'f', 0, 64)
	}
	k.took = func(file, value, found string) bool {
		want, _ := strconv.ParseFloat(k.text(file, value), 64)
		got, err := strconv.ParseFloat(found, 64)
		return err == nil && math.Abs(got-want) <= nextPower
	}
	return k
}

package machine

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// counter is something that tells of a fault of supply or cooling: it counts
// events, or has a bit for each kind.
type counter struct {
	path    string
	bits    []string // of a hexadecimal mask, from the lowest; "" for what is no fault
	explain string
	ask     func() (uint64, bool) // instead of a path
}

const (
	underVoltage = "the supply's voltage fell too low, and the board slowed down to survive: use the supply made for it and a short, thick cable"
	overCurrent  = "the module drew more current than its supply may give, and was slowed down by hardware: use a stronger supply (a barrel jack instead of USB) or a lower power mode"
)

// throttled are the bits of a Raspberry Pi's get_throttled (Raspberry Pi
// documentation, "vcgencmd get_throttled"); from bit 16 on the same since the
// start of the machine.
var throttled = []string{
	"under-voltage: " + underVoltage,
	"the Arm clock is capped",
	"throttled",
	"soft temperature limit: the board is too hot; give it a heat sink or a fan",
}

func (s *Sensors) findCounters() {
	// Raspberry Pi: firmware driver (drivers/firmware/raspberrypi.c) and the
	// under-voltage alarm of raspberrypi-hwmon (Documentation/hwmon).
	for _, p := range []string{"sys/devices/platform/soc/soc:firmware/get_throttled", "sys/devices/platform/axi/soc:firmware/get_throttled"} {
		if s.text(p) != "" {
			s.counters = append(s.counters, counter{path: p, bits: throttled})
		}
	}
	for _, dir := range s.glob("sys/class/hwmon/hwmon*") {
		switch s.text(path.Join(dir, "name")) {
		case "rpi_volt":
			s.counters = append(s.counters, counter{path: path.Join(dir, "in0_lcrit_alarm"), explain: "under-voltage: " + underVoltage})
		case "soctherm_oc":
			// Jetson Linux developer guide, "Over-Current Event Statistics".
			for _, file := range s.glob(path.Join(dir, "oc*_event_cnt")) {
				s.counters = append(s.counters, counter{path: file, explain: "over-current: " + overCurrent})
			}
		}
	}
}

// value is the counter's state: events, or bits.
func (s *Sensors) value(c counter) uint64 {
	if c.ask != nil {
		v, _ := c.ask()
		return v
	}
	base := 10
	text := s.text(c.path)
	if c.bits != nil {
		base = 16
		text = strings.TrimPrefix(text, "0x")
	}
	v, _ := strconv.ParseUint(text, base, 64)
	return v
}

// faults are the states of all counters, and which rails are above their
// critical current.
func (s *Sensors) faults() []uint64 {
	var all []uint64
	for _, c := range s.counters {
		all = append(all, s.value(c))
	}
	for _, r := range s.rails {
		over := uint64(0)
		if a, ok := s.read(r.current); ok && r.limit > 0 && a > r.limit {
			over = 1
		}
		all = append(all, over)
	}
	return all
}

// explain says what happened between two states of the counters; past is said
// of what is over.
func (s *Sensors) explain(before, after []uint64, past string) (events []string) {
	for i, c := range s.counters {
		was, is := before[i], after[i]
		for bit, what := range c.bits {
			now, since := uint64(1)<<bit, uint64(1)<<(bit+16)
			switch {
			case what == "":
			case is&now != 0:
				events = append(events, what)
			case is&since != 0 && was&since == 0:
				events = append(events, what+past)
			}
		}
		if c.bits == nil && (is > was || strings.HasSuffix(c.path, "alarm") && is > 0) {
			events = append(events, c.explain)
		}
	}
	for i, r := range s.rails {
		if after[len(s.counters)+i] > 0 {
			events = append(events, r.overCurrent())
		}
	}
	return events
}

func (r *rail) overCurrent() string {
	return fmt.Sprintf("over-current on %s, above %.1f A: %s", r.Name, r.limit, overCurrent)
}

// Package nvml reads a GPU's clocks, power, temperature and what slows it down
// from NVIDIA's management library, which comes with the driver and is loaded
// when it is first needed. The binding is compiled with the build tag cuda.
package nvml

// Library is the management library's name.
const Library = "libnvidia-ml.so.1"

// What the library is asked for: see nvml.c.
const (
	load = iota
	clock
	memClock
	power
	temperature
	slowdown
	throttle
)

// Load is the share of the time in which a kernel ran, false if it is not known.
func (d *Device) Load() (share float64, ok bool) { return d.scaled(load, 1e-2) }

// Clock is that of the multiprocessors in Hz, MemClock that of the memory.
func (d *Device) Clock() (hertz float64, ok bool)    { return d.scaled(clock, 1e6) }
func (d *Device) MemClock() (hertz float64, ok bool) { return d.scaled(memClock, 1e6) }

// Power is what the whole board draws.
func (d *Device) Power() (watts float64, ok bool) { return d.scaled(power, 1e-3) }

// Temperature is that of the GPU, SlowdownTemperature the one from which on it
// slows itself down.
func (d *Device) Temperature() (celsius float64, ok bool)         { return d.scaled(temperature, 1) }
func (d *Device) SlowdownTemperature() (celsius float64, ok bool) { return d.scaled(slowdown, 1) }

// Throttle are the reasons why the clock is not higher, as bits: see
// nvmlClocksThrottleReasons in NVML's reference.
func (d *Device) Throttle() (reasons uint64, ok bool) { return d.read(throttle) }

func (d *Device) scaled(what int, unit float64) (float64, bool) {
	v, ok := d.read(what)
	return float64(v) * unit, ok
}

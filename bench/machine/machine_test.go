package machine

import (
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// tree makes a file system of paths and contents.
func tree(files map[string]string) fstest.MapFS {
	t := fstest.MapFS{}
	for path, text := range files {
		t[path] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return t
}

// nano is what a Jetson Nano 4GB has under Jetson Linux 32.7 (Linux 4.9).
// Sources: Jetson Linux developer guide 32.7, "Power Management for Jetson
// Nano and Jetson TX1 Devices" (thermal zones and their names, the ina3221x
// nodes, nvpmodel), and the kernel's cpufreq, devfreq and thermal documents.
func nano() fstest.MapFS {
	files := map[string]string{
		"proc/device-tree/model":                            "NVIDIA Jetson Nano Developer Kit\x00",
		"sys/class/thermal/thermal_zone0/type":              "AO-therm",
		"sys/class/thermal/thermal_zone0/temp":              "45500",
		"sys/class/thermal/thermal_zone1/type":              "CPU-therm",
		"sys/class/thermal/thermal_zone1/temp":              "52000",
		"sys/class/thermal/thermal_zone1/trip_point_0_type": "critical",
		"sys/class/thermal/thermal_zone1/trip_point_0_temp": "102500",
		"sys/class/thermal/thermal_zone1/trip_point_1_type": "passive",
		"sys/class/thermal/thermal_zone1/trip_point_1_temp": "70000",
		"sys/class/thermal/thermal_zone2/type":              "GPU-therm",
		"sys/class/thermal/thermal_zone2/temp":              "48000",
		"sys/devices/gpu.0/load":                            "873",
		"sys/class/devfreq/57000000.gpu/cur_freq":           "921600000",
		"sys/kernel/debug/clk/emc/clk_rate":                 "1600000000",
		"var/lib/nvpmodel/status":                           "pmode:0001",
		"etc/nvpmodel.conf":                                 "# comment\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=5W >",
	}
	for n, r := range []struct{ name, mw, ma, crit string }{
		{"POM_5V_IN", "4200", "840", "3600"}, {"POM_5V_GPU", "1500", "300", "0"}, {"POM_5V_CPU", "900", "180", "0"},
	} {
		dir := "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
		i := string(rune('0' + n))
		files[dir+"rail_name_"+i] = r.name
		files[dir+"in_power"+i+"_input"] = r.mw
		files[dir+"in_current"+i+"_input"] = r.ma
		files[dir+"crit_current_limit_"+i] = r.crit
	}
	for _, c := range []string{"0", "1", "2", "3"} {
		dir := "sys/devices/system/cpu/cpu" + c + "/cpufreq/"
		files[dir+"scaling_cur_freq"] = "1479000"
		files[dir+"cpuinfo_max_freq"] = "1479000"
		files[dir+"scaling_governor"] = "schedutil"
	}
	return tree(files)
}

// laptop is an x86 laptop on its battery under Linux 6. Sources: the kernel's
// powercap, hwmon (coretemp), cpufreq and power_supply documents.
func laptop() fstest.MapFS {
	return tree(map[string]string{
		"sys/devices/virtual/dmi/id/product_name":              "ThinkPad",
		"sys/class/hwmon/hwmon0/name":                          "nvme",
		"sys/class/hwmon/hwmon0/temp1_input":                   "39000",
		"sys/class/hwmon/hwmon10/name":                         "coretemp",
		"sys/class/hwmon/hwmon10/temp1_input":                  "61000",
		"sys/class/hwmon/hwmon10/temp1_max":                    "100000",
		"sys/class/powercap/intel-rapl:0/name":                 "package-0",
		"sys/class/powercap/intel-rapl:0/energy_uj":            "262143000000",
		"sys/class/powercap/intel-rapl:0/max_energy_range_uj":  "262143328850",
		"sys/class/powercap/intel-rapl:0:0/name":               "core",
		"sys/class/powercap/intel-rapl:0:0/energy_uj":          "5",
		"sys/class/powercap/intel-rapl:0:2/name":               "dram",
		"sys/class/powercap/intel-rapl:0:2/energy_uj":          "1000000",
		"sys/class/power_supply/BAT0/status":                   "Discharging",
		"sys/class/power_supply/BAT0/power_now":                "21000000",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "3400000",
		"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "4700000",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
		"sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000",
		"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave",
	})
}

// pi is a Raspberry Pi 4 under Linux 6. Sources: Raspberry Pi documentation
// ("vcgencmd get_throttled"), raspberrypi-hwmon in the kernel's documents.
func pi() fstest.MapFS {
	return tree(map[string]string{
		"proc/device-tree/model":                               "Raspberry Pi 4 Model B Rev 1.4\x00",
		"sys/class/thermal/thermal_zone0/type":                 "cpu-thermal",
		"sys/class/thermal/thermal_zone0/temp":                 "67200",
		"sys/class/hwmon/hwmon0/name":                          "cpu_thermal",
		"sys/class/hwmon/hwmon1/name":                          "rpi_volt",
		"sys/class/hwmon/hwmon1/in0_lcrit_alarm":               "0",
		"sys/devices/platform/soc/soc:firmware/get_throttled":  "0",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800000",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
	})
}

// still is a system where nothing else happens.
type still struct{}

func (still) fill(*Sample) {}

// set changes a file of a tree.
func set(t fstest.MapFS, path, text string) {
	t[path] = &fstest.MapFile{Data: []byte(text + "\n")}
}

// card is a GPU that tells all or, with its fields unset, nothing.
type card struct {
	known   bool
	clock   float64
	reasons uint64
}

func (c *card) Load() (float64, bool)                { return 0.5, c.known }
func (c *card) Clock() (float64, bool)               { return c.clock, c.known }
func (c *card) MemClock() (float64, bool)            { return 2.6e9, c.known }
func (c *card) Power() (float64, bool)               { return 350, c.known }
func (c *card) Temperature() (float64, bool)         { return 64, c.known }
func (c *card) SlowdownTemperature() (float64, bool) { return 92, c.known }
func (c *card) Throttle() (uint64, bool)             { return c.reasons, c.known }

// TestGPU watches a GPU beside a laptop's own sensors.
func TestGPU(t *testing.T) {
	fsys := laptop()
	s := Discover(fsys)
	zones, rails := len(s.zones), len(s.rails)
	s.AddGPU("mute", &card{})
	if len(s.zones) != zones || len(s.rails) != rails || len(s.counters) != 0 {
		t.Error("a GPU that tells nothing was added")
	}
	g := &card{known: true, clock: 1.98e9, reasons: 1} // idle
	s.AddGPU("H100", g)
	start := time.Now()
	m := newMonitor(s, still{}, start)
	m.sample(start.Add(time.Second))
	g.clock, g.reasons = 1.2e9, 1<<2|1<<6
	m.sample(start.Add(2 * time.Second))
	g.reasons = 1 << 8
	m.sample(start.Add(3 * time.Second))
	got := m.finish(start.Add(3 * time.Second))
	if want := (Zone{Name: "H100", Passive: 92}); got.Zones[zones] != want {
		t.Errorf("zones %+v", got.Zones)
	}
	if want := (Rail{Name: "H100", Total: true}); got.Rails[rails] != want {
		t.Errorf("rails %+v", got.Rails)
	}
	x := got.Samples[1]
	if x.GPU != 0.5 || x.GPUClock != 1.98e9 || x.MemClock != 2.6e9 || x.Temps[zones] != 64 || x.Watts[rails] != 350 {
		t.Errorf("%+v", x)
	}
	if want := []string{throttleReasons[2], throttleReasons[6]}; !slices.Equal(got.Events, want) {
		t.Errorf("events %q, want %q", got.Events, want)
	}
	// A rate that falls with the GPU's clock is explained by it.
	series := Series{}
	var points []Point
	for i := range 20 {
		at := time.Duration(i) * time.Second
		clock := 1.98e9
		if i >= 10 {
			clock = 1.2e9
		}
		series.Samples = append(series.Samples, Sample{At: at, Clock: 3e9, GPUClock: clock})
		points = append(points, Point{at, clock})
	}
	if text := series.Throttled("decode", points); text != "decode fell 39 % after 10 s when the GPU's clock dropped to 1.2 GHz" {
		t.Errorf("%q", text)
	}
}

// TestJetsonGPU finds the GPU's load and clock under the names that they have on
// one Jetson or another.
func TestJetsonGPU(t *testing.T) {
	for load, clock := range map[string]string{
		"sys/devices/gpu.0/load":                 "57000000.gm20b",
		"sys/devices/platform/gpu.0/load":        "17000000.gv11b",
		"sys/devices/platform/17000000.gpu/load": "17000000.ga10b",
		"sys/devices/57000000.gpu/load":          "57000000.gpu",
	} {
		s := Discover(tree(map[string]string{load: "250", "sys/class/devfreq/" + clock + "/cur_freq": "921600000"}))
		share, okLoad := s.read(s.gpuLoad)
		hertz, okClock := s.read(s.gpuClock)
		if !okLoad || !okClock || share != 0.25 || hertz != 921.6e6 {
			t.Errorf("%s, %s: load %v, clock %v", load, clock, share, hertz)
		}
	}
}

func TestNano(t *testing.T) {
	fsys := nano()
	s := Discover(fsys)
	var i Info
	s.settings(&i)
	if i.Board != "NVIDIA Jetson Nano Developer Kit" || i.PowerMode != "5W" || !slices.Equal(i.Governors, []string{"schedutil"}) || i.MaxClock != 1.479e9 {
		t.Errorf("info %+v", i)
	}
	if want := []Zone{{"AO-therm", 0}, {"CPU-therm", 70}, {"GPU-therm", 0}}; !slices.Equal(i.Zones, want) {
		t.Errorf("zones %v, want %v", i.Zones, want)
	}
	if want := []Rail{{"POM_5V_IN", true}, {"POM_5V_GPU", false}, {"POM_5V_CPU", false}}; !slices.Equal(i.Rails, want) {
		t.Errorf("rails %v, want %v", i.Rails, want)
	}
	start := time.Unix(1000, 0)
	m := newMonitor(s, still{}, start)
	x := m.series.Samples[0]
	if !slices.Equal(x.Temps, []float64{45.5, 52, 48}) || !slices.Equal(x.Watts, []float64{4.2, 1.5, 0.9}) || x.GPU != 0.873 || x.GPUClock != 921.6e6 || x.MemClock != 1.6e9 || x.Clock != 1.479e9 {
		t.Errorf("sample %+v", x)
	}
	set(fsys, "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input", "8200")
	set(fsys, "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current0_input", "3700")
	m.sample(start.Add(10 * time.Second))
	series := m.finish(start.Add(10 * time.Second))
	if j, ok := series.Energy(0, 10*time.Second); !ok || math.Abs(j-62) > 1e-9 {
		t.Errorf("energy %v J, want 62", j)
	}
	if j, _ := series.Energy(5*time.Second, 10*time.Second); math.Abs(j-36) > 1e-9 {
		t.Errorf("energy of the second half %v J, want 36", j)
	}
	if len(series.Events) != 1 || !strings.Contains(series.Events[0], "over-current on POM_5V_IN, above 3.6 A") {
		t.Errorf("events %q", series.Events)
	}
	if w := Warnings(&i, &series, true); len(w) != 2 || !strings.Contains(w[0], "schedutil") {
		t.Errorf("warnings %q", w)
	}
}

func TestLaptop(t *testing.T) {
	fsys := laptop()
	s := Discover(fsys)
	var i Info
	s.settings(&i)
	if i.Board != "ThinkPad" || !slices.Equal(i.Zones, []Zone{{"coretemp", 100}}) || i.MaxClock != 4.7e9 {
		t.Errorf("info %+v", i)
	}
	if want := []Rail{{"RAPL package-0", true}, {"RAPL dram", true}, {"BAT0", false}}; !slices.Equal(i.Rails, want) {
		t.Errorf("rails %v, want %v", i.Rails, want)
	}
	start := time.Unix(0, 0)
	m := newMonitor(s, still{}, start)
	if x := m.series.Samples[0]; x.Clock != 3.2e9 || !slices.Equal(x.Watts, []float64{-1, -1, 21}) {
		t.Errorf("sample %+v", x)
	}
	// The package's counter wraps: 0.328850 J to the end, then 19.671150.
	set(fsys, "sys/class/powercap/intel-rapl:0/energy_uj", "19671150")
	set(fsys, "sys/class/powercap/intel-rapl:0:2/energy_uj", "5000000")
	m.sample(start.Add(2 * time.Second))
	series := m.finish(start.Add(2 * time.Second))
	if w := series.Samples[1].Watts; math.Abs(w[0]-10) > 1e-6 || math.Abs(w[1]-2) > 1e-6 {
		t.Errorf("watts %v, want 10 and 2", w)
	}
	if j, ok := series.Energy(0, 2*time.Second); !ok || math.Abs(j-24) > 1e-5 {
		t.Errorf("energy %v J, want 24", j)
	}
}

func TestPi(t *testing.T) {
	fsys := pi()
	s := Discover(fsys)
	var i Info
	s.settings(&i)
	if i.Board != "Raspberry Pi 4 Model B Rev 1.4" || len(i.Rails) != 0 {
		t.Errorf("info %+v", i)
	}
	start := time.Unix(0, 0)
	m := newMonitor(s, still{}, start)
	m.sample(start.Add(time.Second))
	if calm := m.finish(start.Add(time.Second)); len(calm.Events) != 0 || len(Warnings(&i, &calm, true)) != 0 {
		t.Errorf("events %q, warnings %q without a fault", calm.Events, Warnings(&i, &calm, true))
	}
	// Under-voltage for one sample only, with its sticky bit, and throttling.
	set(fsys, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005")
	set(fsys, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1")
	m.sample(start.Add(2 * time.Second))
	set(fsys, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000")
	set(fsys, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0")
	m.sample(start.Add(3 * time.Second))
	events := strings.Join(m.finish(start.Add(3*time.Second)).Events, "\n")
	for _, want := range []string{"under-voltage: the supply's voltage", "throttled"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %q in %q", want, events)
		}
	}
}

// TestOrin checks the nodes of newer kernels: the mainline driver of the power
// monitor (Documentation/hwmon/ina3221.rst) and the over-current statistics
// (Jetson Linux developer guide 36, "Over-Current Event Statistics").
func TestOrin(t *testing.T) {
	fsys := tree(map[string]string{
		"sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/in1_label":   "VDD_IN",
		"sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/in1_input":   "5000",
		"sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/curr1_input": "1600",
		"sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/curr1_crit":  "5000",
		"sys/class/hwmon/hwmon2/name":                                 "soctherm_oc",
		"sys/class/hwmon/hwmon2/oc1_event_cnt":                        "3",
		"sys/class/devfreq/17000000.ga10b/cur_freq":                   "624750000",
	})
	s := Discover(fsys)
	m := newMonitor(s, still{}, time.Unix(0, 0))
	if x := m.series.Samples[0]; !slices.Equal(x.Watts, []float64{8}) || x.GPUClock != 624.75e6 {
		t.Errorf("sample %+v", x)
	}
	if m.finish(time.Unix(1, 0)).Events != nil {
		t.Error("events from before the run are reported")
	}
	set(fsys, "sys/class/hwmon/hwmon2/oc1_event_cnt", "4")
	m.sample(time.Unix(1, 0))
	if e := m.finish(time.Unix(1, 0)).Events; len(e) != 1 || !strings.HasPrefix(e[0], "over-current") {
		t.Errorf("events %q", e)
	}
}

// TestThrottled makes a run whose rate falls when a zone gets hot.
func TestThrottled(t *testing.T) {
	s := Series{Zones: []Zone{{"AO-therm", 0}, {"CPU-therm", 70}}}
	var points []Point
	for sec := range 100 {
		at := time.Duration(sec) * time.Second
		clock, temp, rate := 1.43e9, 40+0.6*float64(sec), 10.0
		if sec >= 48 {
			clock, temp, rate = 0.9e9, 71, 6.9
		}
		s.Samples = append(s.Samples, Sample{At: at, Clock: clock, Temps: []float64{30, temp}})
		points = append(points, Point{at, rate + 0.1*float64(sec%3)})
	}
	want := "decode fell 31 % after 48 s when zone CPU-therm passed 70 °C and the clock dropped to 0.9 GHz"
	if got := s.Throttled("decode", points); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := s.Throttled("decode", points[:48]); got != "" {
		t.Errorf("steady work is said to be throttled: %q", got)
	}
	if got := (&Series{}).Throttled("decode", points); !strings.Contains(got, "neither") {
		t.Errorf("without sensors: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	s := Series{Samples: []Sample{{}, {CPU: 0.9, Own: 0.5, SwapUsed: 300e6, SwapIn: 200e6}, {CPU: 0.8, Own: 0.4, SwapIn: 200e6}}}
	w := strings.Join(Warnings(&Info{Governors: []string{"performance"}}, &s, true), "\n")
	if !strings.Contains(w, "40 % of the machine's CPUs") || !strings.Contains(w, "200 MB were swapped in") || strings.Contains(w, "governor") {
		t.Errorf("warnings %q", w)
	}
	s = Series{Samples: []Sample{{}, {CPU: 0.9, Own: 0.7, Steal: 0.2}}}
	if w := Warnings(&Info{}, &s, true); len(w) != 1 || w[0] != "the host of this virtual machine gave 20 % of its CPUs' time to others: measure again when it is quieter" {
		t.Errorf("warnings %q", w)
	}
}

// TestBroken gives sensors whose files hold nonsense.
func TestBroken(t *testing.T) {
	for _, fsys := range []fstest.MapFS{nano(), laptop(), pi(), {}} {
		broken := maps.Clone(fsys)
		for path := range broken {
			set(broken, path, "no number")
		}
		s := Discover(broken)
		var i Info
		s.settings(&i)
		m := newMonitor(s, still{}, time.Unix(0, 0))
		if series := m.finish(time.Unix(1, 0)); len(series.Rails) != 0 || len(series.Zones) != 0 {
			t.Errorf("sensors without numbers: %+v", series)
		}
	}
}

// TestHere watches this machine.
func TestHere(t *testing.T) {
	m := Watch(Discover(fstest.MapFS{}), time.Millisecond)
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
	}
	series := m.Stop()
	last := series.Samples[len(series.Samples)-1]
	if len(series.Samples) < 3 || last.MemUsed <= 0 || last.At < 20*time.Millisecond || series.Cost <= 0 {
		t.Errorf("%d samples, the last %+v, cost %v", len(series.Samples), last, series.Cost)
	}
}

func TestCPUName(t *testing.T) {
	for _, c := range []struct {
		brand         string
		family, model int
		want          string
	}{
		{"AMD EPYC", 25, 17, "AMD EPYC, family 25 model 17"},
		{"Intel(R) Xeon(R) Processor  ", 6, 207, "Intel(R) Xeon(R) Processor, family 6 model 207"},
		{"Intel(R) Xeon(R) CPU @ 2.20GHz", 6, 85, "Intel(R) Xeon(R) CPU @ 2.20GHz, family 6 model 85"},
		{"AMD Ryzen 9 7950X 16-Core Processor", 25, 97, "AMD Ryzen 9 7950X 16-Core Processor"},
		{"Apple M3", 0, 0, "Apple M3"},
		{"a brand of arm64", 0, 0, "a brand of arm64"},
		{" ", 6, 207, runtime.GOARCH},
	} {
		if got := cpuName(c.brand, c.family, c.model); got != c.want {
			t.Errorf("cpuName(%q, %d, %d) = %q, want %q", c.brand, c.family, c.model, got, c.want)
		}
	}
}

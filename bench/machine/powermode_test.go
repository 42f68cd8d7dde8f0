package machine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const (
	policy0  = "sys/devices/system/cpu/cpufreq/policy0/"
	policy4  = "sys/devices/system/cpu/cpufreq/policy4/"
	package0 = "sys/class/powercap/intel-rapl:0/"
)

// settable is a machine on which governors, clocks and the power of a package
// can be set; its CPUs from 4 on are slower.
func settable(t *testing.T) (c *PowerControl, root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range map[string]string{
		policy0 + "scaling_governor": "schedutil", policy0 + "scaling_available_governors": "performance schedutil powersave",
		policy4 + "scaling_governor": "ondemand", policy4 + "scaling_available_governors": "performance powersave ondemand",
		policy0 + "scaling_max_freq": "3600000", policy0 + "scaling_min_freq": "800000",
		policy0 + "cpuinfo_max_freq": "3600000", policy0 + "cpuinfo_min_freq": "400000",
		policy4 + "scaling_max_freq": "2000000", policy4 + "scaling_min_freq": "400000",
		policy4 + "cpuinfo_max_freq": "2400000", policy4 + "cpuinfo_min_freq": "400000",
		package0 + "name": "package-0", package0 + "constraint_0_name": "long_term", package0 + "enabled": "1",
		package0 + longTerm: "65000000", package0 + "constraint_0_max_power_uw": "45000000",
		"sys/class/powercap/intel-rapl:0:0/name": "core", "sys/class/powercap/intel-rapl:0:0/" + longTerm: "0",
		"sys/class/powercap/intel-rapl:1/name": "psys", "sys/class/powercap/intel-rapl:1/" + longTerm: "90000000",
	} {
		put(t, filepath.Join(root, path), text, 0o600)
	}
	t.Setenv("PATH", "") // without the machine's own nvpmodel
	return control(root), root
}

// control is one that does not wait.
func control(root string) *PowerControl {
	c := NewPowerControl(root)
	c.Settle = 0
	return c
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), mode); err != nil {
		t.Fatal(err)
	}
}

// holds compares what files hold.
func holds(t *testing.T, root string, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got := readText(filepath.Join(root, path)); got != text {
			t.Errorf("%s holds %q, want %q", path, got, text)
		}
	}
}

// before is what a settable machine is set to.
var before = map[string]string{
	policy0 + "scaling_governor": "schedutil", policy4 + "scaling_governor": "ondemand",
	policy0 + "scaling_max_freq": "3600000", policy4 + "scaling_max_freq": "2000000", package0 + longTerm: "65000000",
	"sys/class/powercap/intel-rapl:0:0/" + longTerm: "0", "sys/class/powercap/intel-rapl:1/" + longTerm: "90000000",
}

func TestPowerModes(t *testing.T) {
	c, root := settable(t)
	modes, err := c.Parse("as-is, rapl=15+governor=powersave,governor=powersave+rapl=15.0,maxfreq=3")
	if want := []PowerMode{AsIs, "governor=powersave+rapl=15", "maxfreq=3"}; err != nil || !slices.Equal(modes, want) {
		t.Fatalf("%q, %v, want %q", modes, err, want)
	}
	holds(t, root, before) // nothing is changed by checking
	for _, m := range []struct {
		mode PowerMode
		want map[string]string
	}{
		{AsIs, before},
		{"governor=powersave+rapl=15", map[string]string{
			policy0 + "scaling_governor": "powersave", policy4 + "scaling_governor": "powersave", package0 + longTerm: "15000000",
			"sys/class/powercap/intel-rapl:0:0/" + longTerm: "0", "sys/class/powercap/intel-rapl:1/" + longTerm: "90000000",
		}},
		{"maxfreq=3", map[string]string{policy0 + "scaling_max_freq": "3000000", policy4 + "scaling_max_freq": "2400000"}},
		{"maxfreq=1.2", map[string]string{policy0 + "scaling_max_freq": "1200000", policy4 + "scaling_max_freq": "1200000"}},
	} {
		if err := c.Set(t.Context(), m.mode); err != nil {
			t.Fatal(err)
		}
		holds(t, root, m.want)
		if err := c.Restore(); err != nil {
			t.Error(err)
		}
		holds(t, root, before)
	}
}

// TestPowerModeErrors checks that what cannot be set is said before anything
// is, with what can.
func TestPowerModeErrors(t *testing.T) {
	const offers = `; this machine offers as-is; governor=performance or powersave; maxfreq=0.8 to 3.6 (GHz); rapl=1 to 65 (W of each package); it has no nvpmodel`
	c, root := settable(t)
	for list, want := range map[string]string{
		"turbo":                         `"turbo": there is no power mode "turbo"`,
		"":                              `"": there is no power mode ""`,
		"as-is,tea\x1b=1":               `"tea\x1b=1": there is no power mode "tea\x1b=1"`,
		"as-is+rapl=15":                 `"as-is+rapl=15": as-is changes nothing, and so cannot be joined with other words`,
		"rapl=9+rapl=15":                `"rapl=9+rapl=15": rapl is set twice`,
		"governor":                      `"governor": governor needs a value`,
		"governor=schedutil":            `"governor=schedutil": there is no governor "schedutil"`, // not of all CPUs
		"rapl=0":                        `"rapl=0": rapl is "0": choose 1 to 65 (W of each package)`,
		"rapl=66":                       `"rapl=66": rapl is "66": choose 1 to 65 (W of each package)`,
		"rapl=NaN":                      `"rapl=NaN": rapl is "NaN": choose 1 to 65 (W of each package)`,
		"rapl=1e99":                     `"rapl=1e99": rapl is "1e99": choose 1 to 65 (W of each package)`,
		"maxfreq=0.7":                   `"maxfreq=0.7": maxfreq is "0.7": choose 0.8 to 3.6 (GHz)`,
		"maxfreq=x":                     `"maxfreq=x": maxfreq is "x": choose 0.8 to 3.6 (GHz)`,
		"nvpmodel=1":                    `"nvpmodel=1": nvpmodel cannot be set: this machine has no nvpmodel`,
		"governor=powersave,nvpmodel=1": `"nvpmodel=1": nvpmodel cannot be set: this machine has no nvpmodel`,
	} {
		if _, err := c.Parse(list); err == nil || err.Error() != want+offers {
			t.Errorf("%q: %v, want %s", list, err, want+offers)
		}
	}
	holds(t, root, before)
	bare := control(t.TempDir())
	if _, err := bare.Parse("governor=performance"); err == nil || err.Error() != `"governor=performance": governor cannot be set: this machine has no governors of the CPUs (cpufreq); `+
		"this machine offers as-is only; it has no nvpmodel, governors of the CPUs (cpufreq), limit of the CPUs' clock (cpufreq) and no limit of a package's power (RAPL)" {
		t.Errorf("a bare machine: %v", err)
	}
	if modes, err := bare.Parse("as-is"); err != nil || !slices.Equal(modes, []PowerMode{AsIs}) {
		t.Errorf("%q, %v", modes, err)
	}
	for cause, want := range map[error]string{
		fs.ErrPermission: "governor cannot be set: needs root; ",
		syscall.EROFS:    "is read-only here, as in a container; ",
	} {
		c.open = func(path string, _ int, _ fs.FileMode) (*os.File, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: cause}
		}
		if _, err := c.Parse("governor=powersave"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "this machine offers as-is; governor=performance or powersave (") {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

// TestPowerModeNotTaken has files that do not keep what is written, while a mode
// is set and while it is undone.
func TestPowerModeNotTaken(t *testing.T) {
	c, root := settable(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	put(t, elsewhere, "", 0o600)
	lost := "" // the file whose writes go elsewhere
	c.open = func(path string, flag int, perm fs.FileMode) (*os.File, error) {
		if strings.HasSuffix(path, lost) && lost != "" {
			path = elsewhere
		}
		return os.OpenFile(path, flag, perm)
	}
	lost = policy4 + "scaling_governor"
	err := c.Set(t.Context(), "governor=powersave")
	if err == nil || !strings.HasPrefix(err.Error(), `the power mode governor=powersave was not set: governor did not take: "powersave" was written to `) || !strings.HasSuffix(err.Error(), `policy4/scaling_governor, which is "ondemand"`) {
		t.Errorf("%v", err)
	}
	if err := c.Restore(); err != nil {
		t.Error(err)
	}
	holds(t, root, before)

	lost = ""
	if err := c.Set(t.Context(), "governor=powersave+rapl=15"); err != nil {
		t.Fatal(err)
	}
	lost = policy0 + "scaling_governor"
	err = c.Restore()
	file := filepath.Join(root, lost)
	if want := "the power mode from before is not restored: " + file + ` stays "powersave"; by hand: echo schedutil | sudo tee ` + file; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	var restore *RestoreError
	if !errors.As(err, &restore) {
		t.Errorf("%T", err)
	}
	holds(t, root, map[string]string{policy4 + "scaling_governor": "ondemand", package0 + longTerm: "65000000"}) // the others are
}

// TestPowerModeCancelled ends the context between two settings.
func TestPowerModeCancelled(t *testing.T) {
	c, root := settable(t)
	ctx, cancel := context.WithCancel(t.Context())
	c.open = func(path string, flag int, perm fs.FileMode) (*os.File, error) {
		if strings.HasSuffix(path, policy4+"scaling_governor") {
			cancel()
		}
		return os.OpenFile(path, flag, perm)
	}
	if err := c.Set(ctx, "governor=powersave+rapl=15"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	holds(t, root, map[string]string{policy4 + "scaling_governor": "powersave", package0 + longTerm: "65000000"})
	if err := c.Restore(); err != nil {
		t.Error(err)
	}
	holds(t, root, before)
}

// TestCPUsOff leaves CPUs alone that are switched off, and counts the others.
func TestCPUsOff(t *testing.T) {
	c, root := settable(t)
	put(t, filepath.Join(root, policy0+"affected_cpus"), "0 1 2 3", 0o600)
	put(t, filepath.Join(root, policy4+"affected_cpus"), "", 0o600)
	if err := c.Set(t.Context(), "governor=powersave+maxfreq=1.2"); err != nil {
		t.Fatal(err)
	}
	holds(t, root, map[string]string{
		policy0 + "scaling_governor": "powersave", policy0 + "scaling_max_freq": "1200000",
		policy4 + "scaling_governor": "ondemand", policy4 + "scaling_max_freq": "2000000",
	})
	if err := c.Restore(); err != nil {
		t.Error(err)
	}
	holds(t, root, before)
	for text, want := range map[string]int{"": 0, "0": 1, "0-3": 4, "0,2-3,7": 4, "3-1": 0, "x": 0, "0-99999999999": 0} {
		put(t, filepath.Join(root, "sys/devices/system/cpu/online"), text, 0o600)
		if got := c.CPUs(); got != want {
			t.Errorf("%q: %d CPUs, want %d", text, got, want)
		}
	}
}

// TestClockSteps takes a clock from a driver's list in place of one between.
func TestClockSteps(t *testing.T) {
	c, root := settable(t)
	k := c.findMaxFreq().(*fileKnob)
	file := filepath.Join(root, policy0+"scaling_max_freq")
	put(t, filepath.Join(root, policy0+"scaling_available_frequencies"), "3600000 2000000 1000000", 0o600)
	for found, want := range map[string]bool{"2000000": true, "2700000": true, "2650000": true, "3600000": false, "1000000": false, "": false} {
		if k.took(file, "2.7", found) != want {
			t.Errorf("2.7 GHz, and %q is read: took is %v", found, !want)
		}
	}
}

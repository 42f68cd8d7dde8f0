//go:build cuda

package nvml

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qgo/testdata"
)

// library compiles a management library that knows one GPU.
func library(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, lib := filepath.Join(dir, "nvml.c"), filepath.Join(dir, "nvml.so")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", lib, file).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		testdata.Missing(t, "cc, which compiles a library to read from")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}

// found is a library that finds GPU number 7 at one address.
const found = `
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **d) { *d = (void *)7; return strcmp(pci, "0000:1b:00.0") != 0; }
`

// TestRead reads all values, each from its function.
func TestRead(t *testing.T) {
	d, err := Open(library(t, found+`
typedef struct { unsigned gpu, memory; } utilization;
int nvmlDeviceGetUtilizationRates(void *d, utilization *u) { u->gpu = 93; u->memory = 40; return d != (void *)7; }
int nvmlDeviceGetClockInfo(void *d, int domain, unsigned *v) { *v = domain == 1 ? 1980 : domain == 2 ? 2619 : 0; return d != (void *)7; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *v) { *v = 350500; return d != (void *)7; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *v) { *v = 64 + sensor; return d != (void *)7; }
int nvmlDeviceGetTemperatureThreshold(void *d, int which, unsigned *v) { *v = which == 1 ? 92 : 0; return d != (void *)7; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *v) { *v = 0x100000004; return d != (void *)7; }
`), "0000:1b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		read func() (float64, bool)
		want float64
	}{
		"load": {d.Load, 0.93}, "clock": {d.Clock, 1980e6}, "memory's clock": {d.MemClock, 2619e6}, "power": {d.Power, 350.5},
		"temperature": {d.Temperature, 64}, "slowdown temperature": {d.SlowdownTemperature, 92},
	} {
		if got, ok := c.read(); !ok || got != c.want {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, c.want)
		}
	}
	if got, ok := d.Throttle(); !ok || got != 0x100000004 {
		t.Errorf("throttle reasons %#x, %v", got, ok)
	}
}

// TestAbsent lacks the library, the GPU and every reading.
func TestAbsent(t *testing.T) {
	if _, err := Open("libnone.so.1", "0000:1b:00.0"); err == nil || !strings.Contains(err.Error(), "libnone.so.1") {
		t.Errorf("without a library: %v", err)
	}
	lib := library(t, found)
	if _, err := Open(lib, "0000:1c:00.0"); err == nil || !strings.Contains(err.Error(), "0000:1c:00.0: the library does not know it") {
		t.Errorf("of no GPU: %v", err)
	}
	d, err := Open(lib, "0000:1b:00.0")
	if err != nil {
		t.Fatal(err)
	}
	for what := load; what <= throttle; what++ {
		if v, ok := d.read(what); ok {
			t.Errorf("value %d is %d without a function", what, v)
		}
	}
}

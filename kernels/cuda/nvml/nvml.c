//go:build cuda

// The functions of NVML that are used, by its reference manual: all return 0 for
// success. Those that a driver lacks are not called.

#include <dlfcn.h>
#include <stdlib.h>

typedef struct {
	unsigned gpu, memory; // per cent
} utilization;

typedef struct qgo_nvml {
	void *device;
	int (*utilization)(void *, utilization *);
	int (*clock)(void *, int domain, unsigned *mhz);
	int (*power)(void *, unsigned *mw);
	int (*temperature)(void *, int sensor, unsigned *celsius);
	int (*threshold)(void *, int which, unsigned *celsius);
	int (*throttle)(void *, unsigned long long *reasons);
} qgo_nvml;

qgo_nvml *qgo_nvml_open(const char *library, const char *pci, const char **error) {
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		*error = dlerror();
		return NULL;
	}
	int (*init)(void) = (int (*)(void))dlsym(lib, "nvmlInit_v2");
	int (*find)(const char *, void **) = (int (*)(const char *, void **))dlsym(lib, "nvmlDeviceGetHandleByPciBusId_v2");
	qgo_nvml *n = calloc(1, sizeof *n);
	if (!n || !init || !find || init() || find(pci, &n->device)) {
		free(n);
		*error = "the library does not know it";
		return NULL;
	}
	n->utilization = (int (*)(void *, utilization *))dlsym(lib, "nvmlDeviceGetUtilizationRates");
	n->clock = (int (*)(void *, int, unsigned *))dlsym(lib, "nvmlDeviceGetClockInfo");
	n->power = (int (*)(void *, unsigned *))dlsym(lib, "nvmlDeviceGetPowerUsage");
	n->temperature = (int (*)(void *, int, unsigned *))dlsym(lib, "nvmlDeviceGetTemperature");
	n->threshold = (int (*)(void *, int, unsigned *))dlsym(lib, "nvmlDeviceGetTemperatureThreshold");
	n->throttle = (int (*)(void *, unsigned long long *))dlsym(lib, "nvmlDeviceGetCurrentClocksThrottleReasons");
	return n;
}

// qgo_nvml_read reads one value, counted as in nvml.go; 0 if there is none.
int qgo_nvml_read(qgo_nvml *n, int what, unsigned long long *value) {
	enum { clockSM = 1, clockMemory = 2, sensorGPU = 0, thresholdSlowdown = 1 };
	utilization u = {0, 0};
	unsigned v = 0;
	int failed = 1;
	switch (what) {
	case 0:
		failed = !n->utilization || n->utilization(n->device, &u);
		v = u.gpu;
		break;
	case 1: failed = !n->clock || n->clock(n->device, clockSM, &v); break;
	case 2: failed = !n->clock || n->clock(n->device, clockMemory, &v); break;
	case 3: failed = !n->power || n->power(n->device, &v); break;
	case 4: failed = !n->temperature || n->temperature(n->device, sensorGPU, &v); break;
	case 5: failed = !n->threshold || n->threshold(n->device, thresholdSlowdown, &v); break;
	case 6: return n->throttle && !n->throttle(n->device, value);
	}
	*value = v;
	return !failed;
}

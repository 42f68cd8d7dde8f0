package cuda

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"qgo/kernels/plan"
)

// TestGPUFinding has builds, drivers and GPUs of all kinds.
func TestGPUFinding(t *testing.T) {
	files := func(pairs ...string) fstest.MapFS {
		root := fstest.MapFS{}
		for i := 0; i < len(pairs); i += 2 {
			root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1] + "\n")}
		}
		return root
	}
	const (
		device  = "sys/bus/pci/devices/0000:01:00.0/"
		version = "proc/driver/nvidia/version"
		module  = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"
		library = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
	)
	none := files("sys/devices/x", "")
	silent := files()
	card := files(device+"vendor", "0x10de", device+"class", "0x030200")
	sound := files("sys/devices/x", "", device+"vendor", "0x10de", device+"class", "0x040300")
	driven := files(version, module, "dev/nvidia0", "", library, "")
	unlinked := files(version, module, "dev/nvidia0", "")
	contained := files(version, module, library, "")
	open := files(version, "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build")
	jetson := files("dev/nvhost-gpu", "", "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1", "")
	bare := files("dev/nvhost-gpu", "")
	wsl := files("dev/dxg", "", "usr/lib/wsl/lib/libcuda.so.1", "")
	failed := errors.New("no NVIDIA driver: libcuda.so.1: cannot open shared object file")
	big := plan.DeviceInfo{Name: "NVIDIA H100", Major: 9, SMs: 132, Memory: 80e9}
	nano := plan.DeviceInfo{Name: "NVIDIA Tegra X1", Major: 5, Minor: 3, SMs: 1, Memory: 2e9, Integrated: true}
	old := plan.DeviceInfo{Index: 1, Name: "GeForce GTX 750", Major: 5, SMs: 4, Memory: 1e9}
	const build = "CGO_ENABLED=1 go build -tags cuda"
	for _, c := range []struct {
		fs            fstest.MapFS
		state         state
		found, advice string // parts
	}{
		{silent, state{}, "this build has no GPU support: everything runs on the CPU", ""},
		{none, state{}, "no NVIDIA GPU, and no support for one in this build", ""},
		{sound, state{}, "no NVIDIA GPU, and no support for one in this build", ""},
		{card, state{}, "an NVIDIA GPU with no driver of NVIDIA's, and no support for it in this build", "install NVIDIA's driver, until nvidia-smi lists the GPU; and to use it build with " + build},
		{driven, state{}, "an NVIDIA GPU with the driver 535.104.05, and no support for it in this build", "to use it build with " + build},
		{unlinked, state{}, "a driver 535.104.05 in the kernel but without libcuda.so.1, and no support", "install libcuda.so.1 of the driver's version, 535.104.05; and to use it build"},
		{contained, state{}, "the driver 535.104.05, and no support", "docker run --gpus all"},
		{jetson, state{}, "an NVIDIA GPU with its driver, and no support", build},
		{bare, state{}, "a driver in the kernel but without libcuda.so.1", "the board's system; and to use it build"},
		{wsl, state{}, "an NVIDIA GPU with its driver, and no support", build},
		{none, state{built: true, err: failed}, "none that can be used: no NVIDIA driver: libcuda.so.1", ""},
		{card, state{built: true, err: failed}, "no driver of NVIDIA's, which cannot be used: ", "install NVIDIA's driver"},
		{unlinked, state{built: true, err: failed}, "a driver 535.104.05 in the kernel", "install libcuda.so.1"},
		{contained, state{built: true, err: failed}, "cannot be used", "there is no /dev/nvidia0"},
		{driven, state{built: true, err: failed}, "the driver 535.104.05, which cannot be used", "nvidia-smi lists it"},
		{driven, state{built: true, version: "12.2", gpus: []plan.DeviceInfo{big}},
			"cuda:0: NVIDIA H100, compute capability 9.0, 132 multiprocessors, 80 GB of its own memory; the driver has CUDA 12.2, version 535.104.05", ""},
		{open, state{built: true, version: "13.0", gpus: []plan.DeviceInfo{big}}, "CUDA 13.0, version 580.65.06", ""},
		{jetson, state{built: true, version: "10.2", gpus: []plan.DeviceInfo{nano}}, "2.0 GB of memory, which it shares with the CPU; the driver has CUDA 10.2", ""},
		{driven, state{built: true, version: "12.2", gpus: []plan.DeviceInfo{big, old}}, "cuda:1: GeForce GTX 750", "too old to compute on: GeForce GTX 750 has compute capability 5.0; qgo's kernels need 5.3"},
	} {
		found, advice := diagnose(c.fs, c.state)
		if !strings.Contains(found, c.found) || (c.advice == "") != (advice == "") || !strings.Contains(advice, c.advice) {
			t.Errorf("%+v: %q, %q; want %q and the advice %q", c.state, found, advice, c.found, c.advice)
		}
	}
}

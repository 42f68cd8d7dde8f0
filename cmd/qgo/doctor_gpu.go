package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
)

// gpuState is what the program knows of GPUs.
type gpuState struct {
	built   bool // it can use them
	version string
	gpus    []driver.Info
	err     error // why there are none
}

func gpusHere() gpuState {
	s := gpuState{built: driver.Built}
	s.version, _ = driver.Version() // where it fails, so does listing
	s.gpus, s.err = driver.Devices()
	return s
}

// gpuFinding says whether a GPU can be used, and what is missing if not.
func gpuFinding(root fs.FS, s gpuState) finding {
	f := finding{Topic: "GPU"}
	kernelDriver, hardware := nvidia(root)
	switch {
	case !s.built:
		f.Found = "this build has no GPU support: everything runs on the CPU"
		if hardware {
			f.Advice = "the machine has an NVIDIA GPU; build with CGO_ENABLED=1 go build -tags cuda to use it"
		}
	case s.err != nil:
		f.Found = fmt.Sprintf("none that can be used: %v", s.err)
		switch {
		case hardware && kernelDriver == "":
			f.Advice = "the machine has an NVIDIA GPU but not NVIDIA's driver: install it, and see what nvidia-smi says"
		case hardware:
			f.Advice = fmt.Sprintf("the kernel has NVIDIA's driver %s, but the program cannot use it: see what nvidia-smi says, and whether libcuda.so.1 of that version is installed", kernelDriver)
		}
	default:
		var all, old []string
		for _, g := range s.gpus {
			all = append(all, gpuText(g))
			if err := cuda.Supports(g); err != nil {
				old = append(old, strings.TrimPrefix(err.Error(), "cuda: "))
			}
		}
		f.Found = fmt.Sprintf("%s; the driver has CUDA %s", strings.Join(all, "; "), s.version)
		if kernelDriver != "" {
			f.Found += ", version " + kernelDriver
		}
		if old != nil {
			f.Advice = "too old to compute on: " + strings.Join(old, "; ")
		}
	}
	return f
}

// gpuText describes a GPU.
func gpuText(g driver.Info) string {
	memory := "of its own memory"
	if g.Integrated {
		memory = "of memory, which it shares with the CPU"
	}
	return fmt.Sprintf("cuda:%d: %s, compute capability %d.%d, %d multiprocessors, %s %s", g.Index, g.Name, g.Major, g.Minor, g.SMs, bytesText(g.Memory), memory)
}

var moduleVersion = regexp.MustCompile(`Kernel Module.*?\s(\d+\.\d+(\.\d+)?)\s`)

// nvidia looks for an NVIDIA GPU and the version of its driver in the kernel.
// Jetsons have a driver of their own, which states none.
func nvidia(root fs.FS) (version string, hardware bool) {
	text, ok := read(root, "proc/driver/nvidia/version")
	if m := moduleVersion.FindStringSubmatch(text); m != nil {
		version = m[1]
	}
	if _, err := fs.Stat(root, "dev/nvhost-gpu"); ok || err == nil || !errors.Is(err, fs.ErrNotExist) {
		return version, true
	}
	devices, err := fs.Glob(root, "sys/bus/pci/devices/*")
	if err != nil {
		return version, false
	}
	for _, dir := range devices {
		vendor, _ := read(root, dir+"/vendor")
		class, _ := read(root, dir+"/class")
		if vendor == "0x10de" && strings.HasPrefix(class, "0x03") { // a display controller
			return version, true
		}
	}
	return version, false
}

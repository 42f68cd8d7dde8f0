package cuda

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// state is what the program knows of GPUs.
type state struct {
	built   bool // it can use them
	version string
	gpus    []plan.DeviceInfo
	err     error // why there are none
}

func here() state {
	s := state{built: driver.Built}
	s.version, _ = driver.Version() // where it fails, so does listing
	s.gpus, s.err = driver.Devices()
	return s
}

// buildCommand makes a program that can use GPUs.
const buildCommand = "CGO_ENABLED=1 go build -tags cuda ./cmd/qgo"

// diagnose says whether a GPU can be used, and which of hardware, driver and
// build is missing if not.
func diagnose(root fs.FS, s state) (found, advice string) {
	n := findNVIDIA(root)
	switch {
	case !s.built && !n.hardware:
		if _, err := fs.Stat(root, "sys/devices"); err != nil { // nobody could see one
			return "this build has no GPU support: everything runs on the CPU", ""
		}
		return "no NVIDIA GPU, and no support for one in this build: everything runs on the CPU", ""
	case !s.built:
		return fmt.Sprintf("an NVIDIA GPU with %s, and no support for it in this build: everything runs on the CPU", n.driverText()),
			strings.TrimPrefix(n.remedy()+"; and to use it build with "+buildCommand, "; and ")
	case s.err != nil && n.hardware:
		return fmt.Sprintf("an NVIDIA GPU with %s, which cannot be used: %v", n.driverText(), s.err),
			cmp.Or(n.remedy(), "see whether nvidia-smi lists it; after an update of the driver the machine may have to be started again")
	case s.err != nil:
		return fmt.Sprintf("none that can be used: %v", s.err), ""
	}
	var all, old []string
	for _, g := range s.gpus {
		all = append(all, describe(g))
		if err := supports(g); err != nil {
			old = append(old, strings.TrimPrefix(err.Error(), "cuda: "))
		}
	}
	found = fmt.Sprintf("%s; the driver has CUDA %s", strings.Join(all, "; "), s.version)
	if n.version != "" {
		found += ", version " + n.version
	}
	if old != nil {
		advice = "too old to compute on: " + strings.Join(old, "; ")
	}
	return found, advice
}

// describe describes a GPU.
func describe(g plan.DeviceInfo) string {
	memory := "of its own memory"
	if g.Integrated {
		memory = "of memory, which it shares with the CPU"
	}
	return fmt.Sprintf("cuda:%d: %s, compute capability %d.%d, %d multiprocessors, %s %s",
		g.Index, g.Name, g.Major, g.Minor, g.SMs, humanize.Bytes(uint64(g.Memory)), memory)
}

var moduleVersion = regexp.MustCompile(`Kernel Module.*?\s(\d+\.\d+(\.\d+)?)\s`)

// nvidia is what the system shows of an NVIDIA GPU and its driver.
type nvidia struct {
	hardware bool
	board    bool   // a Jetson or WSL 2, whose kernels have drivers of their own
	version  string // of the driver in the kernel; empty if there is none
	node     bool   // a process here may open the GPU
	library  bool   // libcuda.so.1 lies where systems have it
}

// libraries are the places of the driver's library: of distributions, Jetsons
// and WSL 2.
var libraries = []string{"usr/lib/libcuda.so.1", "usr/lib64/libcuda.so.1", "usr/lib/*/libcuda.so.1", "usr/lib/*/*/libcuda.so.1"}

func findNVIDIA(root fs.FS) (n nvidia) {
	there := func(path string) bool {
		_, err := fs.Stat(root, path)
		return err == nil
	}
	for _, pattern := range libraries {
		paths, err := fs.Glob(root, pattern)
		n.library = n.library || err == nil && len(paths) > 0
	}
	text, ok := read(root, "proc/driver/nvidia/version")
	if m := moduleVersion.FindStringSubmatch(text); m != nil {
		n.version = m[1]
	}
	n.node = there("dev/nvidia0")
	n.board = there("dev/nvhost-gpu") || there("dev/dxg") && n.library
	if n.hardware = ok || n.board; n.hardware {
		return n
	}
	devices, err := fs.Glob(root, "sys/bus/pci/devices/*")
	if err != nil {
		return n
	}
	for _, dir := range devices {
		vendor, _ := read(root, dir+"/vendor")
		class, _ := read(root, dir+"/class")
		if vendor == "0x10de" && strings.HasPrefix(class, "0x03") { // a display controller
			n.hardware = true
		}
	}
	return n
}

// driverText says in words whether its driver is there.
func (n *nvidia) driverText() string {
	switch {
	case n.board && n.library:
		return "its driver"
	case n.board || n.version != "" && !n.library:
		return strings.TrimSpace("a driver "+n.version) + " in the kernel but without libcuda.so.1"
	case n.version != "":
		return "the driver " + n.version
	}
	return "no driver of NVIDIA's"
}

// remedy says how to get what is missing of the driver; empty if nothing is.
func (n *nvidia) remedy() string {
	switch {
	case n.board && !n.library:
		return "install libcuda.so.1, which is a part of the board's system"
	case n.board:
		return ""
	case n.version == "":
		return "install NVIDIA's driver, until nvidia-smi lists the GPU"
	case !n.node:
		return "there is no /dev/nvidia0: start the container with the GPU (docker run --gpus all), or run nvidia-smi once as root"
	case !n.library:
		return fmt.Sprintf("install libcuda.so.1 of the driver's version, %s", n.version)
	}
	return ""
}

// read returns the text of a file, and whether it is there.
func read(root fs.FS, name string) (string, bool) {
	b, err := fs.ReadFile(root, name)
	return strings.TrimSpace(string(b)), err == nil
}

package bench

import (
	"github.com/shirou/gopsutil/v4/mem"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/tensor"
)

// reserved is what the system keeps of this machine's memory.
const reserved = 512 << 20

// storageRate is assumed of this machine's storage: a SATA disk's.
const storageRate = 500e6

// ThisGPU is the machine of a GPU's measured ceilings.
func ThisGPU(g *GPUCeilings) roofline.Machine {
	m := roofline.Machine{
		Name: g.Device, Title: g.Name, Bandwidth: g.Read.Best, Memory: g.Memory, Storage: storageRate, Sources: []string{"measured"},
		Reach: roofline.GPUReach(),
	}
	setPeaks(&m, g.Peaks)
	return m
}

// ThisMachine is the machine of measured ceilings.
func ThisMachine(c *Ceilings) roofline.Machine {
	m := roofline.Machine{
		Name: "this-machine", Title: machine.CPUName() + ", " + Threads(c.Threads),
		Reach:     roofline.CPUReach(c.Threads),
		Bandwidth: c.Read.Best, Reserved: reserved, Storage: storageRate,
		Sources: []string{"measured"},
	}
	if v, err := mem.VirtualMemory(); err == nil {
		m.Memory = int64(v.Total)
	}
	if limit, known := tensor.Memory(); known {
		within(&m, limit)
	}
	setPeaks(&m, c.Peaks)
	return m
}

// within takes a limit that the program is under, such as a container's, for
// the machine's memory: nothing of that is the system's. What other programs
// have taken of the memory is not the machine's.
func within(m *roofline.Machine, limit tensor.Limit) {
	if limit.Source != tensor.SourceFree && limit.Bytes < m.Available() {
		m.Memory, m.Reserved = limit.Bytes, 0
		m.Title += "; memory: " + limit.Source
	}
}

func setPeaks(m *roofline.Machine, peaks []PeakRate) {
	for _, p := range peaks {
		switch p.Type {
		case "fp32":
			m.FP32 = p.Best
		case "bf16", "fp16":
			m.FP16 = p.Best
		case "int8":
			m.INT8 = p.Best
		}
	}
}

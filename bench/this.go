package bench

import (
	"fmt"

	"github.com/shirou/gopsutil/v4/mem"

	"qgo/bench/machine"
	"qgo/bench/roofline"
)

// reserved is what the system keeps of this machine's memory.
const reserved = 512 << 20

// storageRate is assumed of this machine's storage: a SATA disk's.
const storageRate = 500e6

// ThisGPU is the machine of a GPU's measured ceilings.
func ThisGPU(g *GPUCeilings) roofline.Machine {
	m := roofline.Machine{
		Name: g.Device, Title: g.Name, Bandwidth: g.Read.Best, Memory: g.Memory, Storage: storageRate, Sources: []string{"measured"},
	}
	setPeaks(&m, g.Peaks)
	return m
}

// ThisMachine is the machine of measured ceilings.
func ThisMachine(c *Ceilings) roofline.Machine {
	m := roofline.Machine{
		Name: "this-machine", Title: fmt.Sprintf("%s, %d threads", machine.CPUName(), c.Threads),
		Bandwidth: c.Read.Best, Reserved: reserved, Storage: storageRate,
		Sources: []string{"measured"},
	}
	if v, err := mem.VirtualMemory(); err == nil {
		m.Memory = int64(v.Total)
	}
	setPeaks(&m, c.Peaks)
	return m
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

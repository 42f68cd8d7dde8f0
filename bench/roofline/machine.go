package roofline

import (
	"fmt"
	"slices"
	"strings"
)

// Machine is what is known of a machine: the ceilings of its roofline.
type Machine struct {
	Name      string  `json:"name"`
	Title     string  `json:"title"`
	Bandwidth float64 `json:"bandwidth_bytes_per_second"`
	// The peaks are in operations a second, 0 if unknown or if the machine
	// computes with that type no faster than with the next wider one.
	FP32     float64 `json:"fp32_flops"`
	FP16     float64 `json:"fp16_flops,omitempty"`
	INT8     float64 `json:"int8_ops,omitempty"`
	Memory   int64   `json:"memory_bytes"`
	Reserved int64   `json:"reserved_bytes"` // what the system and a small desktop keep
	Storage  float64 `json:"storage_bytes_per_second"`
	// Driver is what a GPU's driver takes of the memory for a program: an
	// assumption of 256 MiB where the GPU shares the memory of a board.
	Driver int64 `json:"driver_bytes,omitempty"`
	// Reach is what this engine comes to of the bounds; nil if nothing is known.
	Reach   *Reach   `json:"reach,omitempty"`
	Sources []string `json:"sources,omitempty"`
}

// Peak is the highest of the peaks and the type that has it. What a model
// computes is bounded by it, whatever types a program uses.
func (m *Machine) Peak() (rate float64, typ string) {
	rate, typ = m.FP32, "fp32"
	if m.FP16 > rate {
		rate, typ = m.FP16, "fp16"
	}
	if m.INT8 > rate {
		rate, typ = m.INT8, "int8"
	}
	return rate, typ
}

// Bound is the bound for work on the machine.
func (m *Machine) Bound(w Work) Bound {
	peak, _ := m.Peak()
	return w.Bound(Limits{Bandwidth: m.Bandwidth, Peak: peak})
}

// Available is the memory that a model may take at most.
func (m *Machine) Available() int64 { return m.Memory - m.Reserved }

// Comfortable is the memory that it may take without the system having to give up
// what it needs: a sixteenth of all is left free, and what a GPU's driver takes.
func (m *Machine) Comfortable() int64 { return m.Available() - m.Memory/16 - m.Driver }

// Profiles are machines by their data sheets. Storage is a microSD card of
// the UHS-I class (SD Physical Layer Specification: 104 MB/s on the bus)
// where the board boots from one.
var Profiles = []Machine{
	{
		Name: "jetson-nano", Title: "NVIDIA Jetson Nano 2GB (Maxwell, 128 cores)",
		Bandwidth: 25.6e9, FP32: 0.236e12, FP16: 0.472e12, Driver: 256 << 20, Reach: &nanoGPU,
		Memory: 2 << 30, Reserved: 400 << 20, Storage: 100e6,
		Sources: []string{
			"NVIDIA Jetson Nano data sheet DA-09366: LPDDR4 64-bit at 1600 MHz, 25.6 GB/s; 128 CUDA cores at 921.6 MHz, 472 GFLOP/s in fp16",
			"fp32: 128 cores × 2 × 0.9216 GHz = 0.236 TFLOP/s",
		},
	},
	{
		Name: "jetson-nano-4gb", Title: "NVIDIA Jetson Nano 4GB (Maxwell, 128 cores)",
		Bandwidth: 25.6e9, FP32: 0.236e12, FP16: 0.472e12, Driver: 256 << 20, Reach: &nanoGPU,
		Memory: 4 << 30, Reserved: 400 << 20, Storage: 100e6,
		Sources: []string{"NVIDIA Jetson Nano data sheet DA-09366"},
	},
	{
		Name: "jetson-nano-cpu", Title: "NVIDIA Jetson Nano 2GB, CPU only (4 × Cortex-A57 at 1.43 GHz)",
		Bandwidth: 25.6e9, FP32: 45.8e9, INT8: 91.5e9, Reach: &nanoCPU,
		Memory: 2 << 30, Reserved: 400 << 20, Storage: 100e6,
		Sources: []string{
			"NVIDIA Jetson Nano data sheet DA-09366: four Cortex-A57 at 1.43 GHz",
			"fp32: 4 cores × 8 (one 128-bit FMLA a cycle; Arm Cortex-A57 Software Optimization Guide) × 1.43 GHz; int8 twice that (one SMLAL of eight products)",
		},
	},
	{
		Name: "jetson-orin-nano", Title: "NVIDIA Jetson Orin Nano 8GB, 15 W (Ampere, 1024 cores)",
		Bandwidth: 68e9, FP32: 1.28e12, FP16: 10e12, INT8: 20e12, Driver: 256 << 20,
		Memory: 8 << 30, Reserved: 1 << 30, Storage: 100e6,
		Sources: []string{
			"NVIDIA Jetson Orin Nano data sheet DS-11105: LPDDR5 128-bit, 68 GB/s; 1024 CUDA cores and 32 tensor cores at 625 MHz; 40 TOPS in sparse int8, so 20 dense",
			"fp32: 1024 cores × 2 × 0.625 GHz; fp16 on tensor cores: half of dense int8",
		},
	},
	{
		Name: "jetson-orin-nano-super", Title: "NVIDIA Jetson Orin Nano Super 8GB, 25 W (Ampere, 1024 cores)",
		Bandwidth: 102e9, FP32: 2.09e12, FP16: 16.7e12, INT8: 33.5e12, Driver: 256 << 20,
		Memory: 8 << 30, Reserved: 1 << 30, Storage: 100e6,
		Sources: []string{"NVIDIA Jetson Orin Nano Super Developer Kit data sheet: 102 GB/s, 1020 MHz, 67 TOPS in sparse int8"},
	},
	{
		Name: "raspberry-pi-4", Title: "Raspberry Pi 4 Model B 4GB (4 × Cortex-A72 at 1.8 GHz)",
		Bandwidth: 12.8e9, FP32: 57.6e9, INT8: 115.2e9, Reach: &piFour,
		Memory: 4 << 30, Reserved: 400 << 20, Storage: 45e6,
		Sources: []string{
			"Raspberry Pi 4 product brief: LPDDR4-3200, on 32 bits 12.8 GB/s",
			"fp32: 4 cores × 8 (one 128-bit FMLA a cycle; Arm Cortex-A72 Software Optimization Guide) × 1.8 GHz; int8 twice that (one SMLAL of eight products)",
			"storage: its SD interface is DDR50, 50 MB/s on the bus",
		},
	},
	{
		Name: "raspberry-pi-5", Title: "Raspberry Pi 5 8GB (4 × Cortex-A76 at 2.4 GHz)",
		Bandwidth: 17.1e9, FP32: 153.6e9, FP16: 307.2e9, INT8: 614.4e9, Reach: &piFive,
		Memory: 8 << 30, Reserved: 400 << 20, Storage: 90e6,
		Sources: []string{
			"Raspberry Pi 5 product brief: LPDDR4X-4267, on 32 bits 17.1 GB/s; SD cards in SDR104",
			"fp32: 4 cores × 16 (two 128-bit FMLA a cycle; Arm Cortex-A76 Software Optimization Guide) × 2.4 GHz; fp16 twice, int8 (SDOT) four times that",
		},
	},
	{
		Name: "rk3588", Title: "Rockchip RK3588 8GB, such as Orange Pi 5 (4 × A76 at 2.4 GHz, 4 × A55 at 1.8)",
		Bandwidth: 34.1e9, FP32: 211.2e9, FP16: 422.4e9, INT8: 844.8e9,
		Memory: 8 << 30, Reserved: 400 << 20, Storage: 90e6,
		Sources: []string{
			"Rockchip RK3588 data sheet: LPDDR4X-4266 on 64 bits, 34.1 GB/s",
			"fp32: (4 × 16 × 2.4 + 4 × 8 × 1.8) GHz (Arm's optimization guides of the Cortex-A76 and A55)",
		},
	},
	{
		Name: "apple-m3", Title: "Apple M3, 10-core GPU, 8 GB",
		Bandwidth: 102.4e9, FP32: 4.1e12, INT8: 18e12,
		Memory: 8 << 30, Reserved: 2 << 30, Storage: 1.5e9,
		Sources: []string{
			"Apple M3 specifications: 100 GB/s of unified memory (LPDDR5-6400 on 128 bits: 102.4)",
			"fp32 of the GPU: 10 cores × 128 units × 2 × 1.6 GHz; 18 TOPS are those of its neural engine",
		},
	},
}

// ProfileByName returns one of [Profiles].
func ProfileByName(name string) (*Machine, error) {
	i := slices.IndexFunc(Profiles, func(m Machine) bool { return strings.EqualFold(m.Name, name) })
	if i >= 0 {
		return &Profiles[i], nil
	}
	names := make([]string, len(Profiles))
	for i, p := range Profiles {
		names[i] = p.Name
	}
	return nil, fmt.Errorf("no profile %q; there are %s", name, strings.Join(names, ", "))
}

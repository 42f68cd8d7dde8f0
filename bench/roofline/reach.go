package roofline

// Reach is the share of its bounds that this engine comes to on a kind of machine.
type Reach struct {
	Decode  float64 `json:"decode"`
	Prefill float64 `json:"prefill"`
	Basis   string  `json:"basis"` // what is known of it
}

// What the engine reaches, in round figures.
var (
	fewCores  = Reach{0.8, 0.5, "measured on two cores of an AMD EPYC: decode at 73 to 94 % of its bound, prefill at 46 to 52 %"}
	manyCores = Reach{0.55, 0.2, "measured on 8 and 16 cores of an Intel Xeon (Sapphire Rapids): decode at 57 to 60 % of its bound, prefill at 20 to 22 %"}
	largeGPU  = Reach{0.2, 0.25, "measured on an H100, with a 0.5B: decode at 16 to 34 % of its bound, prefill at 21 to 33 % (docs/cuda.md)"}
	nanoGPU   = Reach{0.5, 0.35, "a prediction from counts of instructions (docs/maxwell.md), not a measurement"}
	piFour    = Reach{0.35, 0.8, "a prediction from cycles, with 4.5 GB/s of the memory's 12.8 (docs/boards.md), not a measurement"}
	piFive    = Reach{0.55, 0.62, "a prediction from cycles, with 10 GB/s of the memory's 17.1 (docs/boards.md), not a measurement"}
	nanoCPU   = Reach{0.4, 0.8, "a prediction from cycles, with 10 GB/s of the memory's 25.6 (docs/arm64.md), not a measurement"}
)

// fewThreads is the number of threads up to which a machine is one of few cores.
const fewThreads = 4

// CPUReach is what the engine reaches on a CPU such as those on which it was
// measured.
func CPUReach(threads int) *Reach {
	if threads <= fewThreads {
		return &fewCores
	}
	return &manyCores
}

// GPUReach is what it reaches on a GPU.
func GPUReach() *Reach { return &largeGPU }

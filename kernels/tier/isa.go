package tier

import (
	"os"

	"github.com/klauspost/cpuid/v2"
)

// ISA is what kernels need of a CPU.
type ISA struct {
	Features []cpuid.FeatureID // beside those of Base
	Base     *ISA
	// Switch is the environment variable that, set to anything, takes the ISA
	// away, and all those that build on it.
	Switch string
	// Allowed asks the operating system for the ISA, where that is necessary.
	Allowed func() bool
}

// Here reports whether this machine has the ISA and nothing takes it away. It
// always has a nil one.
func (i *ISA) Here() bool {
	return i == nil || i.Base.Here() && cpuid.CPU.Supports(i.Features...) && os.Getenv(i.Switch) == "" &&
		(i.Allowed == nil || i.Allowed())
}

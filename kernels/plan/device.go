package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"qgo/quant"
)

// Device is what computes plans beside the CPU, a GPU for instance. It belongs
// to who opened it. Its methods may be called by any goroutine.
type Device interface {
	// String names the device as options do, for example cuda:0.
	String() string
	Info() DeviceInfo
	// MemInfo returns the free and the total bytes of the device's memory.
	MemInfo() (free, total int64, err error)

	// Check returns an error that says why Load would refuse a plan.
	Check(p Plan) error
	// Bytes is the memory on the device that Load takes, and beside it that of
	// the keys and values of one sequence of the longest length.
	Bytes(p Plan, o Options) int64
	// PromptRows is how many rows of a prompt keep the device busy: more in a batch make it
	// hardly faster.
	PromptRows() int
	// Load loads a plan. If it fails, it leaves nothing on the device.
	Load(p Plan, o Options) (Stage, error)
	// Failed reports whether an error of a stage says that the device is of no
	// more use.
	Failed(err error) bool

	// Launches is the number of kernels that have been started so far.
	Launches() int64
	// Exchanges is the number of vectors so far that were made by blocks of a kernel
	// together and wanted by all of them.
	Exchanges() int64
	// NewProbe takes what measuring the device's ceilings needs; only with
	// writes set can all of them be measured.
	NewProbe(writes bool) (Probe, error)
	// Close ends the device. Nothing may use it any more.
	Close() error
}

// Kind is a kind of devices.
type Kind struct {
	Name string // before the colon and the number in the name of one
	// List returns the machine's. Without any, the error says why.
	List func() ([]DeviceInfo, error)
	// Open makes the one of that number ready for work.
	Open func(index int) (Device, error)
	// Supports returns an error if there are no kernels for one, as it is too
	// old.
	Supports func(DeviceInfo) error
	// Describe describes one in a line.
	Describe func(DeviceInfo) string
	// Diagnose says what of the kind is on the machine, whose file system is
	// root, and what to do where it cannot be used; advice is empty if nothing is
	// to be done.
	Diagnose func(root fs.FS) (found, advice string)
	// Sensors returns what one tells of itself, an error if it tells nothing.
	Sensors func(DeviceInfo) (Sensors, error)
}

// Sensors are what a device tells of itself, each value with whether it is
// known.
type Sensors interface {
	Load() (share float64, ok bool)
	Clock() (hertz float64, ok bool)
	MemClock() (hertz float64, ok bool)
	Power() (watts float64, ok bool)
	Temperature() (celsius float64, ok bool)
	// SlowdownTemperature is that from which on it slows itself down.
	SlowdownTemperature() (celsius float64, ok bool)
	// Throttle is a bit for each of NVML's reasons for a lower clock.
	Throttle() (reasons uint64, ok bool)
}

// DeviceInfo describes a device.
type DeviceInfo struct {
	Index      int    `json:"index"`
	Name       string `json:"name"`
	Major      int    `json:"major"` // of an NVIDIA GPU's compute capability
	Minor      int    `json:"minor"`
	SMs        int    `json:"sms"`           // streaming multiprocessors
	Memory     int64  `json:"memory"`        // bytes
	Integrated bool   `json:"integrated"`    // shares its memory with the CPU
	PCI        string `json:"pci,omitempty"` // address on the bus, such as 0000:01:00.0
	// BlockMemory is the shared memory that a block of threads can have, in bytes.
	BlockMemory int `json:"-"`
}

// Options say how a device loads a plan.
type Options struct {
	MaxRows int        // rows of the largest batch
	MaxCtx  int        // positions of the longest sequence
	KV      quant.Type // of keys and values, for Bytes
	Exact   bool       // nothing is rounded to less than float32
	Threads int        // of the CPU that bring weights into the device's form; 0 means 1
	// Release is called with weights that have been copied and will not be
	// read again.
	Release func(weights []byte)
	// Stop is asked between pieces of weights: an error ends Load.
	Stop func() error
}

// Probe measures a device's ceilings. It keeps no time. Close it after use.
type Probe interface {
	// Ceilings lists what can be measured, [Reads] first.
	Ceilings() []Ceiling
	Close() error
}

// Ceiling is a rate that bounds a device.
type Ceiling struct {
	Name        string  // one of those below, or the type of numbers of a peak, such as fp32
	Instruction string  // of a peak
	Amount      float64 // of a pass: bytes, operations, launches, barriers or exchanges
	// Run makes a number of passes, one after the other, and returns when the
	// device has done them.
	Run func(passes int) error
}

// Ceilings that are no peaks of arithmetic.
const (
	Reads     = "read"      // bytes of its memory
	Copies    = "copy"      // bytes, read and written
	Launched  = "launches"  // kernels that do nothing
	Barriers  = "barriers"  // of all blocks that run at a time
	Exchanged = "exchanges" // vectors that blocks make together and all of them want
)

// Names of peaks.
const (
	Singles  = "fp32"
	Matrices = "fp16 matrices" // added up in float32
)

// Features are what only some models ask of a device.
type Features uint

// The features. A device that does not know one refuses plans that ask for it.
const (
	ProjectionBias Features = 1 << iota // of Q, K, V, Gate or Up
	ResidualBias                        // of O or Down, whose results are added to the residual stream
	HeadNorms                           // of Q and K
)

var featureNames = []string{"biases of projections", "biases where results are added to the residual stream", "norms of heads"}

// String lists them.
func (f Features) String() string {
	var all []string
	for i, name := range featureNames {
		if f>>i&1 != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// Features returns those that the plan asks for.
func (p *Plan) Features() (f Features) {
	for i := range p.Blocks {
		b := &p.Blocks[i]
		if b.QNorm != nil || b.KNorm != nil {
			f |= HeadNorms
		}
		for _, l := range b.Linears() {
			switch {
			case l.Bias == nil:
			case l == &b.O || l == &b.Down:
				f |= ResidualBias
			default:
				f |= ProjectionBias
			}
		}
	}
	return f
}

// CheckFeatures returns an error if the plan asks for features that are not
// among those known.
func (p *Plan) CheckFeatures(known Features) error {
	if more := p.Features() &^ known; more != 0 {
		return fmt.Errorf("the model has %v, which the kernels do not know", more)
	}
	return nil
}

// Linears returns the linear layers of a block, in the order of their use.
func (b *Block) Linears() []*Linear {
	return []*Linear{&b.Q, &b.K, &b.V, &b.O, &b.Gate, &b.Up, &b.Down}
}

// Check returns the number of rows of a batch, or an error if stage s cannot
// compute it.
func (b *Batch) Check(s Stage) (rows int, err error) {
	for _, span := range b.Spans {
		if span.KV == nil {
			return 0, errors.New("rows without a sequence")
		}
		owner, room := span.KV.Room()
		if owner != s {
			return 0, errors.New("a sequence of another model or device")
		}
		if span.Pos < 0 || span.N <= 0 || span.Pos+span.N > room {
			return 0, fmt.Errorf("positions %d to %d of a sequence that has room for %d", span.Pos, span.Pos+span.N-1, room)
		}
		rows += span.N
	}
	if rows == 0 || rows > s.MaxRows() {
		return 0, fmt.Errorf("a batch of %d rows; between 1 and %d are possible", rows, s.MaxRows())
	}
	return rows, nil
}

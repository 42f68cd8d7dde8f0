package bench

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"qgo/bench/machine"
	"qgo/gguf/show"
)

// Label is one of the things that the numbers of a result hold for. A value
// that is not known is empty.
type Label struct{ Name, Value string }

// Names of labels, in the order of [Result.Labels].
const (
	LabelModel   = "model"   // the file's name
	LabelSize    = "size"    // of the file, in bytes
	LabelTest    = "test"    // such as tg128 @ d2048
	LabelEngine  = "engine"  // qgo, llama.cpp and so on
	LabelBatch   = "batch"   // tokens
	LabelThreads = "threads" // of the CPU
	LabelBackend = "backend" // such as CUDA
	LabelDevice  = "device"  // the GPU's name, or CPU
	LabelLayers  = "ngl"     // layers on the GPU
	LabelKV      = "kv"      // types of keys and values, one if they are the same
	LabelKernels = "kernels" // the tier of the CPU's kernels
	LabelRepack  = "repack"  // "no" if the weights were computed on as they are in the file
	LabelPower   = "power"   // the power mode, if one was asked for
)

// Labels identify a result: they are all that a number of it holds for.
func (r *Result) Labels() []Label {
	return []Label{
		{LabelModel, r.fileName()},
		{LabelSize, known(int(r.ModelSize))},
		{LabelTest, r.Test().Name()},
		{LabelEngine, r.Engine},
		{LabelBatch, known(r.Batch)},
		{LabelThreads, known(r.Threads)},
		{LabelBackend, r.Backends},
		{LabelDevice, r.device()},
		{LabelLayers, r.layers()},
		{LabelKV, r.kvType()},
		{LabelKernels, r.Kernels},
		{LabelRepack, r.repack()},
		{LabelPower, string(r.PowerMode)},
	}
}

// fileName is the name of the model's file without its folder, or the type of
// the model where that is all that is known.
func (r *Result) fileName() string {
	if r.ModelFilename == "" {
		return r.ModelType
	}
	return filepath.Base(r.ModelFilename)
}

// device is the GPU, if it computed a part of the model, or else the CPU.
func (r *Result) device() string {
	switch {
	case r.OnGPU():
		return cmp.Or(r.GPUInfo, r.Backends)
	case r.Backends != "":
		return "CPU"
	}
	return ""
}

func (r *Result) layers() string {
	if !r.OnGPU() {
		return ""
	}
	return strconv.Itoa(r.GPULayers)
}

func (r *Result) kvType() string {
	if r.TypeK == r.TypeV || r.TypeV == "" {
		return r.TypeK
	}
	return r.TypeK + "/" + r.TypeV
}

func (r *Result) repack() string {
	if r.NoRepack {
		return "no"
	}
	return ""
}

// known is a number as text, empty for 0, which stands for one that is not
// known.
func known(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Label is the value of one label.
func (r *Result) Label(name string) string {
	for _, l := range r.Labels() {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Varying lists the names of the labels in which results differ.
func Varying(results []*Result) (names []string) {
	if len(results) == 0 {
		return nil
	}
	differs := map[string]bool{}
	first := results[0].Labels()
	for _, r := range results[1:] {
		for i, l := range r.Labels() {
			if l != first[i] {
				differs[l.Name] = true
			}
		}
	}
	for _, l := range first {
		if differs[l.Name] {
			names = append(names, l.Name)
		}
	}
	return names
}

// Words are the values of some labels, in the order of [Result.Labels], as
// they stand in a sentence: "2 threads, f16 KV cache". They are fit to be
// shown; what is not known is left out.
func (r *Result) Words(names ...string) string {
	var all []string
	for _, l := range r.Labels() {
		if l.Value != "" && slices.Contains(names, l.Name) {
			all = append(all, r.word(l))
		}
	}
	return strings.Join(all, ", ")
}

func (r *Result) word(l Label) string {
	text := show.Text(l.Value)
	switch l.Name {
	case LabelSize:
		return fmt.Sprintf("%.1f MB", float64(r.ModelSize)/1e6)
	case LabelEngine:
		return "by " + text
	case LabelBatch:
		return "batches of " + text
	case LabelThreads:
		return Threads(r.Threads)
	case LabelLayers:
		if r.GPULayers < 0 {
			return "all layers"
		}
		return text + " layers"
	case LabelKV:
		return text + " KV cache"
	case LabelKernels:
		return text + " kernels"
	case LabelRepack:
		return "weights as in the file"
	case LabelPower:
		if r.PowerMode == machine.AsIs {
			return "power as it is"
		}
	}
	return text
}

// Subject is what a sentence about the result speaks of: phase, model, test,
// the CPU's threads if it computes, and the labels named in varying.
func (r *Result) Subject(varying []string) string {
	return fmt.Sprintf("%s (%s)", r.what(), r.Details(varying))
}

// FullName is [Result.Subject] with all that identifies a result among others.
func (r *Result) FullName() string {
	return r.Subject([]string{LabelEngine, LabelBatch, LabelThreads, LabelDevice, LabelLayers, LabelKV, LabelPower})
}

// what is the phase and the model.
func (r *Result) what() string {
	phase := "prefill"
	if r.Decodes() {
		phase = "decode"
	}
	return phase + " of " + cmp.Or(r.Words(LabelModel), "an unnamed model")
}

// Details is [Result.Subject] without phase and model.
func (r *Result) Details(varying []string) string {
	names := append([]string{LabelTest}, varying...)
	if r.onCPU() {
		names = append(names, LabelThreads)
	}
	left := map[string]bool{
		LabelModel: true, LabelEngine: r.Engine == "qgo",
		LabelSize:    slices.Contains(varying, LabelModel), // the name tells
		LabelBackend: slices.Contains(varying, LabelDevice),
	}
	return r.Words(slices.DeleteFunc(names, func(name string) bool { return left[name] })...)
}

// Beside says in what a result differs from one that was named before: "at
// d2048", "pp1024", "with 1 thread and f32 KV cache".
func (r *Result) Beside(first *Result) string {
	test := ""
	var with []string
	for _, name := range Varying([]*Result{first, r}) {
		text := r.Words(name)
		switch {
		case text == "":
		case name != LabelTest:
			with = append(with, text)
		case r.Scenario == first.Scenario && r.Prompt == first.Prompt && r.Gen == first.Gen:
			test = fmt.Sprintf("at d%d ", r.Depth)
		default:
			test = text + " "
		}
	}
	if len(with) > 0 {
		test += "with " + strings.Join(with, " and ")
	}
	return strings.TrimSpace(test)
}

package html

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"qgo/bench"
	"qgo/gguf/show"
)

// run is a result with the report that it is from.
type run struct {
	*bench.Result
	report *bench.Report
	source int          // which of the reports
	values [dims]string // what identifies it, for people
	// apart is set if its rate is impossible: no axis and no share counts it.
	apart bool
}

// dim is one thing in which two results can differ.
type dim int

const (
	dimModel dim = iota
	dimEngine
	dimMachine
	dimDevice // the GPU and how much of the model is on it
	dimTest   // without its depth
	dimDepth
	dimThreads
	dimBatch
	dimKV
	dimKernels
	dimPower // the power mode, if one was asked for
	dimBuild
	dimFile
	dimAgain // counts results that are equal in all else
	dims
)

// implied are left out of names where the other dimensions tell results apart.
var implied = []dim{dimFile, dimBuild, dimKernels, dimKV}

// runs lists the results of all reports; names are those of their files.
func runs(reports []*bench.Report, names []string) (all []run) {
	again := map[[dims]string]int{}
	for i, report := range reports {
		file := ""
		if i < len(names) {
			file = show.Text(filepath.Base(names[i]))
		}
		for _, res := range report.Results {
			r := run{Result: res, report: report, source: i}
			r.values = r.identity(file)
			if again[r.values]++; again[r.values] > 1 {
				r.values[dimAgain] = fmt.Sprintf("run %d", again[r.values])
			}
			all = append(all, r)
		}
	}
	findImpossible(all)
	return all
}

func (r run) identity(file string) (v [dims]string) {
	test := r.Test()
	test.Depth = 0
	v[dimModel], v[dimEngine], v[dimMachine] = r.model(), show.Text(r.Engine), r.machine()
	v[dimTest], v[dimFile] = show.Text(test.Name()), file
	if r.Depth > 0 {
		v[dimDepth] = fmt.Sprintf("depth %d", r.Depth)
	}
	if r.Threads > 0 {
		v[dimThreads] = bench.Threads(r.Threads)
	}
	if r.Batch > 0 {
		v[dimBatch] = fmt.Sprintf("batch %d", r.Batch)
	}
	if r.OnGPU() {
		v[dimDevice] = show.Text(cmp.Or(r.GPUInfo, r.Backends))
		if r.GPULayers > 0 {
			v[dimDevice] += fmt.Sprintf(", %d layers", r.GPULayers)
		}
	}
	v[dimKV] = show.Text(r.TypeK)
	if r.TypeV != r.TypeK {
		v[dimKV] += "/" + show.Text(r.TypeV)
	}
	v[dimKernels], v[dimPower] = show.Text(r.Kernels), show.Text(string(r.PowerMode))
	if r.BuildCommit != "unknown" {
		v[dimBuild] = show.Text(r.BuildCommit)
	}
	return v
}

// model is the file of the model, without what all such names have.
func (r run) model() string {
	name := strings.TrimSuffix(filepath.Base(cmp.Or(r.ModelFilename, r.ModelType, "unknown model")), ".gguf")
	return show.Text(strings.TrimPrefix(name, "synthetic-"))
}

// machine is what the result's own machine is called, which a published figure
// or a server does not share with the report. It is empty if nothing tells.
func (r run) machine() string {
	m := &r.report.Machine
	if r.CPUInfo != "" && r.CPUInfo != m.CPU {
		return show.Text(r.CPUInfo)
	}
	if m.Board == "" || m.Arch == "amd64" {
		return show.Text(m.CPU)
	}
	return show.Text(m.Board)
}

// elsewhere reports whether the result comes from another machine than its
// report.
func (r run) elsewhere() bool { return r.CPUInfo != "" && r.CPUInfo != r.report.Machine.CPU }

// test is the test's name as it is shown.
func (r run) test() string { return show.Text(r.Test().Name()) }

// Phases of which a rate can be.
const (
	prefill = "prefill"
	decode  = "decode"
	both    = "prompt and decode"
)

// phase is what the rate is of.
func (r run) phase() string {
	switch {
	case r.Gen == 0:
		return prefill
	case r.Prompt == 0 || r.DecodeTS > 0:
		return decode
	}
	return both
}

// rate is the median rate of the phase, 0 if it is not known.
func (r run) rate() float64 {
	if r.phase() == decode && r.Prompt > 0 {
		return r.DecodeTS
	}
	return r.MedianTS
}

// findImpossible marks the results whose rates are above what their machine can
// do: bench has said so, or they are above the bound of the result itself or of
// another one in the same test of the same model on the same machine.
func findImpossible(all []run) {
	type key struct {
		source                int
		model, machine, where string
		bench.Test
	}
	of := func(r *run) key {
		return key{r.source, r.values[dimModel], r.values[dimMachine], r.values[dimDevice], r.Test()}
	}
	best := map[key]float64{}
	for i := range all {
		r := &all[i]
		best[of(r)] = max(best[of(r)], r.report.Most(r.Result))
	}
	for i := range all {
		r := &all[i]
		r.apart = r.Impossible || bench.Exceeds(r.rate(), best[of(r)])
	}
}

// namer returns names that tell results apart in all dimensions but those of x.
// What all have in common is left out, and so is what other parts of the name
// imply.
func namer(all []run, x ...dim) func(run) string {
	var keep []dim
	for d := range dims {
		if !slices.Contains(x, d) {
			keep = append(keep, d)
		}
	}
	return nameBy(all, keep)
}

// nameBy is namer by the dimensions that are listed.
func nameBy(all []run, of []dim) func(run) string {
	var keep []dim
	for _, d := range of {
		if distinct(all, []dim{d}) > 1 {
			keep = append(keep, d)
		}
	}
	n := distinct(all, keep)
	for _, d := range implied {
		rest := slices.DeleteFunc(slices.Clone(keep), func(k dim) bool { return k == d })
		if distinct(all, rest) == n {
			keep = rest
		}
	}
	if len(keep) == 0 {
		keep = []dim{dimModel}
	}
	return func(r run) string {
		var parts []string
		for _, d := range keep {
			if v := r.values[d]; v != "" {
				parts = append(parts, v)
			}
		}
		if parts == nil && slices.Contains(keep, dimDepth) {
			return "depth 0" // beside others that have one
		}
		return cmp.Or(strings.Join(parts, ", "), r.values[dimModel])
	}
}

// distinct counts the different values of dimensions.
func distinct(all []run, of []dim) int {
	seen := map[[dims]string]bool{}
	for _, r := range all {
		seen[only(r.values, of)] = true
	}
	return len(seen)
}

// only are the values of some dimensions.
func only(v [dims]string, of []dim) (some [dims]string) {
	for _, d := range of {
		some[d] = v[d]
	}
	return some
}

// without are the values of all other dimensions.
func without(v [dims]string, x ...dim) [dims]string {
	for _, d := range x {
		v[d] = ""
	}
	return v
}

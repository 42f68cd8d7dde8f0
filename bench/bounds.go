package bench

import (
	"cmp"
	"fmt"
	"strings"

	"qgo/bench/roofline"
	"qgo/model"
)

// Limits are what the devices that compute a model can do. What is probed around
// every repetition takes the place of what stands here.
type Limits struct {
	CPU, GPU roofline.Limits
	Cache    int64 // bytes of the CPU's caches of the last level; 0 if unknown
}

// NewLimits are those of measured ceilings: cpu those of the CPU, whose caches of
// the last level hold so many bytes, and gpu, unless it is nil, those of a GPU.
func NewLimits(cpu *Ceilings, cache int64, gpu *GPUCeilings) Limits {
	l := Limits{CPU: cpu.limits(), Cache: cache}
	if gpu != nil {
		l.GPU = gpu.limits()
	}
	return l
}

// probed is what is probed around a repetition. The bandwidths are those of memory
// in bytes a second: main is that of the GPU if it computes anything and else the
// CPU's, cpu that of the CPU if both compute. peak is the CPU's in operations a
// second, 0 if it was not probed.
type probed struct{ main, cpu, peak float64 }

// OnGPU reports whether a GPU computed a part of the model. llama-bench states a
// number of layers even where there is no GPU.
func (r *Result) OnGPU() bool {
	return r.GPULayers != 0 && r.Backends != "CPU" && (r.GPUInfo != "" || strings.Contains(r.Backends, "CUDA"))
}

// onCPU reports whether the CPU computed a part of the model, as far as that is
// known of another engine.
func (r *Result) onCPU() bool {
	if r.GPUCost == nil || r.Cost == nil {
		return !r.OnGPU()
	}
	return *r.GPUCost != *r.Cost
}

// Devices names what computed: the GPU and how many layers are on it, the number
// of the CPU's threads, or both; empty if it is not known.
func (r *Result) Devices() string {
	var all []string
	if r.OnGPU() {
		name := cmp.Or(r.GPUInfo, r.Backends)
		if r.GPULayers > 0 {
			name += fmt.Sprintf(", %d layers", r.GPULayers)
		}
		all = append(all, name)
	}
	if r.onCPU() && r.Threads > 0 {
		text := Threads(r.Threads)
		if len(all) > 0 {
			text = "CPU, " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// Threads counts threads in words.
func Threads(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

// work is the work per token, by that cost, of the phase that the rate is of: a
// scenario's and a test's with both phases is decode's.
func (r *Result) work(c model.Cost) roofline.Work {
	if r.Decodes() {
		return roofline.DecodeMean(c, r.Gen, r.Depth+r.Prompt)
	}
	w := roofline.Prefill(c, r.Prompt, r.Depth, max(r.Batch, 1))
	n := float64(w.Tokens)
	return roofline.Work{Tokens: 1, FLOP: w.FLOP / n, Bytes: w.Bytes / n}
}

// bound is the bound by what was probed and, for the rest, by limits. That of a model of which
// both GPU and CPU compute a part is the sum of their times.
func (r *Result) bound(b probed, l Limits) roofline.Bound {
	if b.peak > 0 {
		l.CPU.Peak = b.peak
	}
	if r.GPUCost == nil {
		l.CPU.Bandwidth = b.main
		return r.work(*r.Cost).Bound(l.CPU)
	}
	w := r.work(*r.GPUCost)
	w.Launches, w.Exchanges = r.Launches, r.Exchanges
	l.GPU.Bandwidth = b.main
	gpu := w.Bound(l.GPU)
	if !r.onCPU() || b.cpu == 0 {
		return gpu
	}
	l.CPU.Bandwidth = b.cpu
	return roofline.Serial(r.work(r.Cost.Sub(*r.GPUCost)).Bound(l.CPU), gpu)
}

// perToken is a count of the phase that the rate is of for each of its tokens.
func (r *Rep) perToken(count int64) float64 {
	if n := len(r.Gaps); n > 0 {
		return float64(count) / float64(n)
	}
	return float64(count) / float64(max(r.Prompt+r.Gen, 1))
}

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf"
	"qgo/kernels"
	"qgo/kernels/cuda"
	"qgo/model"
)

// machineFlags choose the machine of a roofline.
type machineFlags struct {
	profile string
	bound   float64
}

func (m *machineFlags) add(f *pflag.FlagSet) {
	f.StringVar(&m.profile, "profile", "", "a machine by its data sheet instead of this one: "+strings.Join(profileNames(), ", "))
	f.Float64Var(&m.bound, "bound", 0, "memory bandwidth in GB/s, instead of the profile's or a measured one")
}

// maxBound is the largest bandwidth that can be given, in GB/s.
const maxBound = 1e9

func (m *machineFlags) check(cmd *cobra.Command) error {
	if !(m.bound >= 0 && m.bound <= maxBound) {
		return usagef(cmd, "--bound is %g: give the bandwidth in GB/s, up to %g", m.bound, maxBound)
	}
	return nil
}

func profileNames() (names []string) {
	for _, p := range roofline.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// measureTime is how long each ceiling is measured.
const measureTime = 200 * time.Millisecond

// machine returns the machine that the flags choose; this one is measured,
// with that many threads.
func (m *machineFlags) machine(cmd *cobra.Command, threads int) (roofline.Machine, *bench.Ceilings, error) {
	if err := m.check(cmd); err != nil {
		return roofline.Machine{}, nil, err
	}
	var (
		chosen   roofline.Machine
		ceilings *bench.Ceilings
	)
	if m.profile != "" {
		p, err := roofline.ProfileByName(m.profile)
		if err != nil {
			return chosen, nil, usagef(cmd, "%w", err)
		}
		chosen = *p
	} else {
		if threads == 0 {
			threads = kernels.Cores()
		}
		var err error
		if ceilings, err = bench.MeasureCeilings(cmd.Context(), threads, true, measureTime); err != nil {
			return chosen, nil, err
		}
		chosen = bench.ThisMachine(ceilings)
	}
	if m.bound > 0 {
		chosen.Bandwidth = m.bound * 1e9
	}
	return chosen, ceilings, nil
}

// survey surveys a model that is a file or named as SIZE:TYPE.
func survey(name string, o model.Options) (*roofline.Survey, func() error, error) {
	if size, _, ok := strings.Cut(name, ":"); ok && !strings.ContainsAny(size, `/\`) && len(size) > 1 {
		s, err := roofline.OutlineByName(name, o)
		return s, func() error { return nil }, err
	}
	f, err := gguf.Open(name)
	if err != nil {
		return nil, nil, err
	}
	s, err := roofline.NewSurvey(f, o)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return s, f.Close, nil
}

// rooflineReport is what roofline prints.
type rooflineReport struct {
	Model    string             `json:"model"`
	Machine  roofline.Machine   `json:"machine"`
	Ceilings *bench.Ceilings    `json:"ceilings,omitempty"`
	GPU      *bench.GPUCeilings `json:"gpu_ceilings,omitempty"`
	Cost     model.Cost         `json:"cost"`
	Parts    []roofline.Part    `json:"parts"`
	Prefill  []phase            `json:"prefill"`
	Decode   []phase            `json:"decode"`
	Fit      roofline.Fit       `json:"fit"`
	Swapped  float64            `json:"swapped_tokens_per_second,omitempty"`

	ObservedPrefill *roofline.Observed `json:"observed_prefill,omitempty"`
	ObservedDecode  *roofline.Observed `json:"observed_decode,omitempty"`
}

// phase is the bound of one phase at one depth.
type phase struct {
	Depth int `json:"depth"`
	Batch int `json:"batch,omitempty"`
	roofline.Bound
}

func newRoofline() *cobra.Command {
	var (
		machine         machineFlags
		o               model.Options
		prompts, depths []int
		batches         []int
		context         int
		parts           bool
		prefill, decode float64
		device          deviceFlags
	)
	cmd := &cobra.Command{
		Use:   "roofline [FILE | SIZE:TYPE]",
		Short: "Compute how fast a model can run at most, on any machine",
		Long: `roofline counts the bytes that a model reads and the operations that it
computes, token by token, and divides by what a machine can do: the bound of
prefill and decode, which resource sets it, and whether the model fits. It runs
nothing; without --profile it measures this machine's ceilings first, or with
--device those of a GPU.

docs/roofline.md derives the formulas.`,
		Example: `  qgo roofline qwen2.5-0.5b:q4_0 --profile jetson-nano
  qgo roofline model.gguf --depth 0,2048,8192 --parts
  qgo roofline --profile jetson-nano --observed-prefill 115.89 --observed-decode 8.0
  qgo roofline 3b:q4_k_m --bound 25.6`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "expected one model, found %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, list := range [][]int{prompts, batches, {context}} {
				for _, n := range list {
					if n < 1 {
						return usagef(cmd, "--prefill, --batch and --ctx must be 1 or more, found %d", n)
					}
				}
			}
			name := "qwen2.5-0.5b:q4_0"
			if len(args) == 1 {
				name = args[0]
			}
			s, closeFile, err := survey(name, o)
			if err != nil {
				return err
			}
			defer closeFile()
			r := &rooflineReport{Model: s.Name, Cost: s.Cost, Parts: s.Parts}
			if err := r.choose(cmd, &machine, &device, o.Threads); err != nil {
				return err
			}
			m := &r.Machine
			for _, d := range depths {
				if d < 0 {
					return usagef(cmd, "--depth is %d: choose 0 or more", d)
				}
				for _, n := range prompts {
					for _, b := range batches {
						r.Prefill = append(r.Prefill, phase{d, b, m.Bound(roofline.Prefill(s.Cost, n, d, b))})
					}
				}
				r.Decode = append(r.Decode, phase{d, 0, m.Bound(roofline.Decode(s.Cost, d))})
			}
			if r.Fit, err = s.Fit(context, m.Available()); err != nil {
				return err
			}
			if !r.Fit.Fits() {
				r.Swapped = r.Fit.Swapped(m.Bound(roofline.Decode(s.Cost, context/2)), m.Storage)
			}
			if prefill > 0 {
				observed := m.Observe(r.Prefill[0].Work, prefill)
				r.ObservedPrefill = &observed
			}
			if decode > 0 {
				observed := m.Observe(r.Decode[0].Work, decode)
				r.ObservedDecode = &observed
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, r)
			}
			r.print(cmd.OutOrStdout(), parts)
			return nil
		},
	}
	f := cmd.Flags()
	machine.add(f)
	f.StringVar(&device.device, "device", "cpu", "what to measure of this machine: cpu, or a GPU such as cuda:0")
	f.IntSliceVarP(&prompts, "prefill", "p", []int{512}, "tokens of the prompt")
	f.IntSliceVarP(&depths, "depth", "d", []int{0, 2048}, "tokens in the KV cache before")
	f.IntSliceVarP(&batches, "batch", "b", []int{model.DefaultMaxRows}, "tokens of a batch in prefill")
	f.IntVar(&context, "ctx", model.DefaultContext, "longest text in tokens, for the memory")
	f.StringVar(&o.KV, "kv", "", "type of the KV cache: f16, f32 or q8_0 (default f16)")
	f.IntVarP(&o.Threads, "threads", "t", 0, "threads to measure this machine with (0: one per physical core)")
	f.BoolVar(&parts, "parts", false, "list what a token reads and computes tensor by tensor")
	f.Float64Var(&prefill, "observed-prefill", 0, "a measured rate of prefill in tokens/s, to set beside the bound")
	f.Float64Var(&decode, "observed-decode", 0, "the same of decode")
	return cmd
}

// choose sets the machine: that of the flags, or what the device is measured to
// be.
func (r *rooflineReport) choose(cmd *cobra.Command, m *machineFlags, d *deviceFlags, threads int) (err error) {
	index, _, err := d.index()
	switch {
	case err != nil:
		return usagef(cmd, "%w", err)
	case index < 0:
		r.Machine, r.Ceilings, err = m.machine(cmd, threads)
		return err
	case m.profile != "" || m.bound > 0:
		return usagef(cmd, "--device %s is to be measured: leave out --profile and --bound", d.device)
	}
	gpu, err := cuda.Open(index)
	if err != nil {
		return err
	}
	defer gpu.Close()
	return r.measure(gpu)
}

// measure sets the machine to a GPU.
func (r *rooflineReport) measure(gpu *cuda.Device) (err error) {
	if r.GPU, err = bench.MeasureGPU(gpu, measureTime); err == nil {
		r.Machine = bench.ThisGPU(r.GPU)
	}
	return err
}

func (r *rooflineReport) print(w io.Writer, parts bool) {
	m := &r.Machine
	fmt.Fprintf(w, "%s on %s\n\n", r.Model, m.Title)
	fmt.Fprintf(w, "machine   %.1f GB/s; ridge in FLOP/byte: %s\n", m.Bandwidth/1e9, peaksText(m))
	if c := r.Ceilings; c != nil {
		fmt.Fprintf(w, "          measured with %d threads, best (median) GB/s: read %.1f (%.1f),\n          copy %.1f (%.1f), triad %.1f (%.1f)\n",
			c.Threads, c.Read.Best/1e9, c.Read.Median/1e9, c.Copy.Best/1e9, c.Copy.Median/1e9, c.Triad.Best/1e9, c.Triad.Median/1e9)
	}
	if g := r.GPU; g != nil {
		fmt.Fprintf(w, "          measured, best (median) GB/s: read %.1f (%.1f), copy %.1f (%.1f);\n          a launch takes %.2f µs, so that 1000 kernels a token allow %.0f t/s\n",
			g.Read.Best/1e9, g.Read.Median/1e9, g.Copy.Best/1e9, g.Copy.Median/1e9, 1e6/g.Launches.Best, g.Launches.Best/1000)
	}
	fmt.Fprintf(w, "a token   reads %s, and %s for each token before it;\n", bytesText(r.Cost.Weights), bytesText(r.Cost.KVRow))
	fmt.Fprintf(w, "          computes %.3g GFLOP (%.3g in a prompt) and %.2g MFLOP likewise\n\n",
		float64(r.Cost.FLOP(0))/1e9, 2*float64(r.Cost.MACs-r.Cost.Head)/1e9, 2*float64(r.Cost.KVMACs)/1e6)
	fmt.Fprintf(w, "%-8s %7s %6s %7s %11s %13s   %s\n", "phase", "tokens", "batch", "depth", "FLOP/byte", "bound, t/s", "bound by")
	for _, p := range r.Prefill {
		fmt.Fprintf(w, "%-8s %7d %6d %7d %11.1f %13.1f   %s\n", "prefill", p.Tokens, p.Batch, p.Depth, p.Intensity, p.Rate, p.Binds)
	}
	for _, p := range r.Decode {
		fmt.Fprintf(w, "%-8s %7d %6d %7d %11.1f %13.1f   %s\n", "decode", p.Tokens, 1, p.Depth, p.Intensity, p.Rate, p.Binds)
	}
	r.printFit(w)
	r.printObserved(w)
	if parts {
		r.printParts(w)
	}
}

// peaksText lists the known peaks with the ridge of each.
func peaksText(m *roofline.Machine) string {
	var list []string
	for _, p := range []struct {
		name string
		rate float64
	}{{"fp32", m.FP32}, {"16-bit", m.FP16}, {"int8", m.INT8}} {
		if p.rate > 0 {
			list = append(list, fmt.Sprintf("%.1f for %s in %s", p.rate/m.Bandwidth, rateText(p.rate), p.name))
		}
	}
	return strings.Join(list, ",\n          ")
}

// rateText writes operations a second.
func rateText(r float64) string {
	if r >= 1e12 {
		return fmt.Sprintf("%.3g TFLOP/s", r/1e12)
	}
	return fmt.Sprintf("%.3g GFLOP/s", r/1e9)
}

func (r *rooflineReport) printFit(w io.Writer) {
	if r.Machine.Memory == 0 {
		return
	}
	f := r.Fit
	fmt.Fprintf(w, "\nmemory    %s of %s with a context of %d: ", bytesText(f.Need), bytesText(f.Available), f.Context)
	switch {
	case f.Fits():
		fmt.Fprintf(w, "fits, up to %d\n", f.LongestContext)
	case f.LongestContext > 0:
		fmt.Fprintf(w, "does not fit; %d does\n", f.LongestContext)
	default:
		fmt.Fprintln(w, "does not fit")
	}
	if !f.Fits() {
		fmt.Fprintf(w, "          it would read %s a token from storage of %.0f MB/s and decode at\n          %.2f t/s or less\n",
			bytesText(f.Over()), r.Machine.Storage/1e6, r.Swapped)
	}
}

func (r *rooflineReport) printObserved(w io.Writer) {
	m := &r.Machine
	if o := r.ObservedPrefill; o != nil {
		b := r.Prefill[0]
		fmt.Fprintf(w, "\nobserved  prefill at %s t/s computes %s\n", exact(o.Rate), rateText(o.FLOPS))
		printShares(w, m, o)
		fmt.Fprintf(w, "          bound by %s: %.0f FLOP per byte%s\n", b.Binds, b.Intensity, ridgeText(m))
		fmt.Fprintf(w, "          and would read %.2f GB/s, %.1f %% of the bandwidth\n", o.Bytes/1e9, 100*o.OfMemory)
		printVerdict(w, o, b.Bound)
	}
	if o := r.ObservedDecode; o != nil {
		b := r.Decode[0]
		fmt.Fprintf(w, "\nobserved  decode at %s t/s reads %.1f GB/s, %.0f %% of %.1f GB/s\n", exact(o.Rate), o.Bytes/1e9, 100*o.OfMemory, m.Bandwidth/1e9)
		fmt.Fprintf(w, "          bound by %s: %.1f FLOP per byte%s\n", b.Binds, b.Intensity, ridgeText(m))
		fmt.Fprintf(w, "          and computes %s\n", rateText(o.FLOPS))
		printShares(w, m, o)
		printVerdict(w, o, b.Bound)
	}
}

func ridgeText(m *roofline.Machine) string {
	if m.FP32 == 0 {
		return ""
	}
	return fmt.Sprintf(" against a ridge of %.1f in fp32", m.FP32/m.Bandwidth)
}

// exact writes a rate with the digits that it was given with.
func exact(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }

func printShares(w io.Writer, m *roofline.Machine, o *roofline.Observed) {
	if m.FP32 == 0 {
		return
	}
	fmt.Fprintf(w, "          which is %.0f %% of the fp32 peak", 100*o.OfFP32)
	if peak, typ := m.Peak(); peak > m.FP32 {
		fmt.Fprintf(w, " and %.0f %% of that in %s", 100*o.OfPeak, typ)
	}
	fmt.Fprintln(w)
}

func printVerdict(w io.Writer, o *roofline.Observed, b roofline.Bound) {
	if o.Impossible {
		fmt.Fprintf(w, "          IMPOSSIBLE: that is %.1f times the bound of %.1f t/s\n", o.OfBound, b.Rate)
		return
	}
	fmt.Fprintf(w, "          that is %.0f %% of the bound of %.1f t/s\n", 100*o.OfBound, b.Rate)
}

func (r *rooflineReport) printParts(w io.Writer) {
	fmt.Fprintf(w, "\n%-20s %-7s %5s %11s %11s %9s\n", "tensor", "type", "count", "weights", "read", "MFLOP")
	for _, p := range r.Parts {
		fmt.Fprintf(w, "%-20s %-7s %5d %11d %11s %9.2f\n", strings.TrimSuffix(p.Name, ".weight"), p.Type, p.Tensors, p.Weights, bytesText(p.Read), float64(p.FLOP)/1e6)
	}
	d := r.Decode[0]
	fmt.Fprintf(w, "%-20s %-7s %5s %11s %11s %9.2f\n", fmt.Sprintf("KV cache at %d", d.Depth), "", "", "", bytesText(int64(d.Depth)*r.Cost.KVRow), 2*float64(int64(d.Depth)*r.Cost.KVMACs)/1e6)
}

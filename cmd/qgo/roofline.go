package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/bench"
	"qgo/bench/roofline"
	"qgo/gguf"
	"qgo/kernels"
	"qgo/kernels/plan"
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
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, fmt.Errorf("there is no file %s: give a GGUF file, or a size and a type such as 0.5b:q4_0", name)
	case err != nil:
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
		flags rooflineFlags
		parts bool
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
			if err := flags.check(cmd); err != nil {
				return err
			}
			name := "qwen2.5-0.5b:q4_0"
			if len(args) == 1 {
				name = args[0]
			}
			r, err := flags.report(cmd, name)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, r)
			}
			r.print(cmd.OutOrStdout(), parts)
			return nil
		},
	}
	f := cmd.Flags()
	flags.machine.add(f)
	f.StringVar(&flags.device.device, "device", "cpu", "what to measure of this machine: cpu, or a GPU such as cuda:0")
	f.StringVarP(&flags.prompt, "prefill", "p", "512", "tokens of the prompt")
	f.StringVarP(&flags.depth, "depth", "d", "0,2048", "tokens in the KV cache before")
	f.StringVarP(&flags.batch, "batch", "b", strconv.Itoa(model.DefaultMaxRows), "tokens of a batch in prefill")
	f.IntVar(&flags.context, "ctx", model.DefaultContext, "longest text in tokens, for the memory")
	kvFlag(f, &flags.options.KV)
	f.IntVarP(&flags.options.Threads, "threads", "t", 0, "threads to measure this machine with (0: one per physical core)")
	f.BoolVar(&parts, "parts", false, "list what a token reads and computes tensor by tensor")
	f.Float64Var(&flags.prefill, "observed-prefill", 0, "a measured rate of prefill in tokens/s, to set beside the bound")
	f.Float64Var(&flags.decode, "observed-decode", 0, "the same of decode")
	return cmd
}

// rooflineFlags are those of roofline.
type rooflineFlags struct {
	machine              machineFlags
	device               deviceFlags
	options              model.Options
	prompt, depth, batch string // lists
	context              int
	prefill, decode      float64 // observed

	prompts, depths, batches []int
}

// maxRooflineTokens is the longest text that a roofline is computed of: the
// operations of more have no room in an int64.
const maxRooflineTokens = 1 << 22

// check reads the lists and checks all numbers.
func (f *rooflineFlags) check(cmd *cobra.Command) error {
	for _, l := range []struct {
		flag, value string
		least       int
		list        *[]int
	}{{"prefill", f.prompt, 1, &f.prompts}, {"depth", f.depth, 0, &f.depths}, {"batch", f.batch, 1, &f.batches}} {
		all, err := bench.ParseInts(l.value)
		if err != nil {
			return usagef(cmd, "--%s: %w", l.flag, err)
		}
		for _, n := range all {
			if n < l.least || n > maxRooflineTokens {
				return usagef(cmd, "--%s is %d: choose %d to %d", l.flag, n, l.least, maxRooflineTokens)
			}
		}
		*l.list = all
	}
	if f.context < 1 || f.context > maxRooflineTokens {
		return usagef(cmd, "--ctx is %d: choose 1 to %d", f.context, maxRooflineTokens)
	}
	if n := f.options.Threads; n < 0 || n > model.MaxThreads {
		return usagef(cmd, "--threads is %d: choose 0 to %d", n, model.MaxThreads)
	}
	for flag, rate := range map[string]float64{"prefill": f.prefill, "decode": f.decode} {
		if !(rate >= 0 && rate <= maxObserved) {
			return usagef(cmd, "--observed-%s is %g: give tokens/s, up to %g", flag, rate, maxObserved)
		}
	}
	return nil
}

// maxObserved is the highest rate that can be set beside a bound.
const maxObserved = 1e12

// report computes what roofline prints of a model.
func (f *rooflineFlags) report(cmd *cobra.Command, name string) (r *rooflineReport, err error) {
	s, closeFile, err := survey(name, f.options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	r = &rooflineReport{Model: s.Name, Cost: s.Cost, Parts: s.Parts}
	if err := r.choose(cmd, &f.machine, &f.device, f.options.Threads); err != nil {
		return nil, err
	}
	m := &r.Machine
	for _, d := range f.depths {
		for _, n := range f.prompts {
			for _, b := range f.batches {
				r.Prefill = append(r.Prefill, phase{d, b, m.Bound(roofline.Prefill(s.Cost, n, d, b))})
			}
		}
		r.Decode = append(r.Decode, phase{d, 0, m.Bound(roofline.Decode(s.Cost, d))})
	}
	if r.Fit, err = s.Fit(f.context, m.Available()); err != nil {
		return nil, err
	}
	if !r.Fit.Fits() {
		r.Swapped = r.Fit.Swapped(m.Bound(roofline.Decode(s.Cost, f.context/2)), m.Storage)
	}
	if f.prefill > 0 {
		observed := m.Observe(r.Prefill[0].Work, f.prefill)
		r.ObservedPrefill = &observed
	}
	if f.decode > 0 {
		observed := m.Observe(r.Decode[0].Work, f.decode)
		r.ObservedDecode = &observed
	}
	return r, nil
}

// choose sets the machine: that of the flags, or what the device is measured to
// be.
func (r *rooflineReport) choose(cmd *cobra.Command, m *machineFlags, d *deviceFlags, threads int) (err error) {
	kind, index, _, err := d.choice()
	switch {
	case err != nil:
		return usagef(cmd, "%w", err)
	case index < 0:
		r.Machine, r.Ceilings, err = m.machine(cmd, threads)
		return err
	case m.profile != "" || m.bound > 0:
		return usagef(cmd, "--device %s is to be measured: leave out --profile and --bound", d.device)
	}
	gpu, err := kind.Open(index)
	if err != nil {
		return err
	}
	defer gpu.Close()
	return r.measure(gpu)
}

// measure sets the machine to a GPU.
func (r *rooflineReport) measure(gpu plan.Device) (err error) {
	if r.GPU, err = bench.MeasureGPU(gpu, measureTime); err == nil {
		r.Machine = bench.ThisGPU(r.GPU)
	}
	return err
}

package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"qgo/gguf"
	"qgo/kernels/cpu"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// AllLayers as Options.GPULayers puts the whole model on the GPU.
const AllLayers = math.MaxInt

// Memory that is left to others: on a GPU of its own, and on one that shares
// its memory with the rest of the system.
const (
	reserveGPU    = 128 << 20
	reserveShared = 300 << 20
)

// gpuPlan is a plan whose last layers are to be placed on a device.
type gpuPlan struct {
	plan    plan.Plan
	options plan.Options
}

// bytes is the memory that the last layers of the plan take on a device, with a
// KV cache of the longest length.
func (g gpuPlan) bytes(dev plan.Device, layers int) int64 {
	_, p := g.plan.Cut(g.plan.Layers() - layers)
	return dev.Bytes(p, g.options)
}

// fit returns how many of the last layers fit into the device's free memory, of
// as many as are asked for: 0 stands for all. An error says why there is none.
func (g gpuPlan) fit(dev plan.Device, layers int) (fitting, asked int, err error) {
	all := g.plan.Layers()
	if asked = min(layers, all); asked == 0 {
		asked = all
	}
	if err := dev.Check(g.plan); err != nil {
		return 0, asked, err
	}
	room, err := roomOn(dev)
	if err != nil {
		return 0, asked, err
	}
	if n := g.fitIn(dev, room, asked); n > 0 {
		return n, asked, nil
	}
	return 0, asked, errors.New("it has too little free memory for even one layer")
}

// widen lets batches be as large as keeps the device busy, if the user leaves their size open
// and the whole model still fits.
func (g *gpuPlan) widen(o Options) {
	if o.MaxRows != 0 || g.options.Exact {
		return
	}
	wide := *g
	wide.options.MaxRows = min(o.Device.PromptRows(), g.options.MaxCtx)
	if wide.options.MaxRows <= g.options.MaxRows {
		return
	}
	if layers, _, err := wide.fit(o.Device, o.GPULayers); err == nil && layers == g.plan.Layers() {
		*g = wide
	}
}

// fitIn returns how many of the last layers take no more than room bytes of a
// device, at most limit.
func (g gpuPlan) fitIn(dev plan.Device, room int64, limit int) int {
	for n := min(limit, g.plan.Layers()); n > 0; n-- {
		if g.bytes(dev, n) <= room {
			return n
		}
	}
	return 0
}

// roomOn is the memory that the model may take on a device.
func roomOn(dev plan.Device) (int64, error) {
	free, _, err := dev.MemInfo()
	if err != nil {
		return 0, err
	}
	if !dev.Info().Integrated {
		return free - reserveGPU, nil
	}
	if available, known := tensor.Available(); known {
		free = min(free, available)
	}
	return free - reserveShared, nil
}

// gpuPlan is that of the whole model.
func (m *Model) gpuPlan() gpuPlan {
	return gpuPlan{m.plan, plan.Options{MaxRows: m.maxRows, MaxCtx: m.maxCtx, KV: m.kvType, Exact: m.tier.Exact()}}
}

// place loads the plan: its last layers on the GPU of the options, if there is
// one and as far as it has memory, the others on the CPU.
func (m *Model) place(ctx context.Context, o Options) error {
	dev := o.Device
	if dev == nil {
		return m.placeCPU(ctx, o.Progress)
	}
	whole := m.gpuPlan()
	whole.widen(o)
	fitting, asked, err := whole.fit(dev, o.GPULayers)
	if err != nil {
		m.warn("The GPU %v cannot be used: %v. Computing on the CPU.", dev, err)
		return m.placeWhole(ctx, o.Progress)
	}
	all := m.plan.Layers()
	if fitting < asked {
		m.warn("%d of %d layers fit into the free memory of %v; the others are on the CPU.", fitting, all, dev)
	}
	front, back := m.plan.Cut(all - fitting)
	if front.Layers() > 0 {
		if err := m.checkMemory(m.memory(front)); err != nil {
			return err
		}
	}
	loading := m.newLoading(front, back, o.Progress)
	whole.options.Release = loading.take
	whole.options.Stop = func() error { return context.Cause(ctx) }
	whole.options.Threads = m.Threads()
	var stage plan.Stage
	err = gguf.Guard(m.File.Name, func() (err error) {
		stage, err = dev.Load(back, whole.options)
		return err
	})
	if stopped := context.Cause(ctx); err != nil && stopped != nil {
		return stopped
	}
	if err != nil {
		m.warn("The GPU %v failed: %v. Computing on the CPU.", dev, err)
		return m.placeWhole(ctx, o.Progress)
	}
	m.gpu, m.gpuLayers, m.maxRows = dev, fitting, whole.options.MaxRows
	if err = context.Cause(ctx); err == nil && front.Layers() > 0 {
		err = m.addCPU(ctx, front, loading)
	}
	if err != nil {
		return errors.Join(err, stage.Close())
	}
	m.stages = append(m.stages, stage)
	m.hidden = make([]float32, m.maxRows*m.Width)
	return nil
}

// memory is what a part of the plan takes, as it is to be loaded.
func (m *Model) memory(p plan.Plan) Memory {
	s := settings{threads: m.pool.Workers(), context: m.maxCtx, maxRows: m.cpuRows, kv: m.kvType, tier: m.tier}
	return s.memory(m.File, p, Options{NoRepack: !m.repack})
}

// placeWhole is placeCPU for a model that was to be elsewhere, so that nobody
// knows whether it fits.
func (m *Model) placeWhole(ctx context.Context, report func(done, total int64)) error {
	need := m.memory(m.plan)
	if err := m.checkMemory(need); err != nil {
		return err
	}
	m.repack = need.Weights > 0
	return m.placeCPU(ctx, report)
}

// placeCPU loads the whole plan on the CPU.
func (m *Model) placeCPU(ctx context.Context, report func(done, total int64)) error {
	m.gpu, m.gpuLayers, m.stages, m.maxRows = nil, 0, nil, m.cpuRows
	return m.addCPU(ctx, m.plan, m.newLoading(m.plan, plan.Plan{}, report))
}

func (m *Model) addCPU(ctx context.Context, p plan.Plan, l *loading) error {
	s, err := cpu.New(p, cpu.Options{
		Pool: m.pool, Tier: m.tier, Workers: m.pool.Workers(), MaxRows: m.maxRows, MaxCtx: m.maxCtx,
		Original: !m.repack, Release: l.take,
		Stop: func() error { return context.Cause(ctx) }, Progress: m.within,
	})
	if err == nil {
		m.stages = append(m.stages, s)
	}
	return err
}

func (m *Model) warn(format string, args ...any) {
	if m.notify != nil {
		m.notify(fmt.Sprintf(format, args...))
	}
}

// GPU is the device that computes a part of the model, nil if none does.
func (m *Model) GPU() plan.Device { return m.gpu }

// OnGPU reports whether a GPU computes a part of the model.
func (m *Model) OnGPU() bool { return m.gpu != nil }

// OnCPU reports whether the CPU does.
func (m *Model) OnCPU() bool { return m.Placement().GPULayers < m.plan.Layers() }

// GPUCost is the work of a decoded token that the GPU does.
func (m *Model) GPUCost() Cost {
	_, back := m.plan.Cut(m.plan.Layers() - m.Placement().GPULayers)
	return costOf(back, m.kvType)
}

// Placement says what of a model is computed where.
type Placement struct {
	GPU       string `json:"-"` // such as cuda:0; empty if the CPU computes all
	GPUName   string `json:"-"`
	GPULayers int    `json:"gpu_layers"` // as plan.Plan's Layers counts them
	Layers    int    `json:"layers"`     // of the model
	OnGPU     string `json:"on_gpu"`     // what they are
	OnCPU     string `json:"on_cpu"`     // what the others are; empty if there are none
	GPUBytes  int64  `json:"gpu_bytes"`  // of the GPU's memory, a KV cache of the longest length included
}

func (g gpuPlan) placement(dev plan.Device, layers int) Placement {
	all := g.plan.Layers()
	front, back := g.plan.Cut(all - layers)
	p := Placement{GPULayers: layers, Layers: all, OnGPU: parts(back), OnCPU: parts(front)}
	if layers > 0 {
		p.GPU, p.GPUName, p.GPUBytes = dev.String(), dev.Info().Name, g.bytes(dev, layers)
	}
	return p
}

// String says it in words.
func (p Placement) String() string {
	if p.GPULayers == 0 {
		return "CPU"
	}
	text := fmt.Sprintf("%s (%s): %s, %s", p.GPU, p.GPUName, p.OnGPU, humanize.Bytes(uint64(p.GPUBytes)))
	if p.OnCPU != "" {
		text += "; CPU: " + p.OnCPU
	}
	return text
}

// Placement says what of the model is computed where.
func (m *Model) Placement() Placement {
	return m.gpuPlan().placement(m.gpu, m.gpuLayers)
}

// Place says what [Load] would place where, without loading the model. The
// error says why nothing would be on the GPU of the options.
func Place(f *gguf.File, o Options) (Placement, error) {
	if f.IsOutline() {
		return Placement{}, fmt.Errorf("%s: is an outline without weights, which has no place", f.Name)
	}
	c, err := ReadConfig(f)
	if err != nil {
		return Placement{}, err
	}
	set, err := o.settings(c)
	if err != nil {
		return Placement{}, err
	}
	if set.context > maxContext {
		return Placement{}, optionErrorf("a context of %d: choose 1 to %d", set.context, maxContext)
	}
	p, err := newPlan(f, c)
	if err != nil {
		return Placement{}, err
	}
	g := gpuPlan{p, plan.Options{MaxRows: set.maxRows, MaxCtx: set.context, KV: set.kv, Exact: set.tier.Exact()}}
	layers := 0
	if o.Device != nil {
		g.widen(o)
		layers, _, err = g.fit(o.Device, o.GPULayers)
	}
	return g.placement(o.Device, layers), err
}

// parts lists what a plan consists of.
func parts(p plan.Plan) string {
	var all []string
	if p.Embedding != nil {
		all = append(all, "embedding")
	}
	switch n := len(p.Blocks); n {
	case 0:
	case 1:
		all = append(all, "1 block")
	default:
		all = append(all, fmt.Sprintf("%d blocks", n))
	}
	if p.Head != nil {
		all = append(all, "head")
	}
	return strings.Join(all, ", ")
}

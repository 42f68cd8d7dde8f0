package model

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"qgo/kernels/cpu"
	"qgo/kernels/cuda"
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

// fit returns how many of the last layers of the plan fit into the memory of
// the GPU with a KV cache of the longest length, at most limit.
func (m *Model) fit(dev *cuda.Device, limit int) (layers int, err error) {
	room, err := roomOn(dev)
	if err != nil {
		return 0, err
	}
	return m.fitIn(room, limit), nil
}

// fitIn returns how many of the last layers take no more than room bytes, at
// most limit.
func (m *Model) fitIn(room int64, limit int) int {
	all := m.plan.Layers()
	for n := min(limit, all); n > 0; n-- {
		if _, back := m.plan.Cut(all - n); m.gpuBytes(back) <= room {
			return n
		}
	}
	return 0
}

// roomOn is the memory that the model may take on a GPU.
func roomOn(dev *cuda.Device) (int64, error) {
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

// gpuBytes is the memory that a plan takes on a GPU.
func (m *Model) gpuBytes(p plan.Plan) int64 {
	return cuda.Bytes(p, m.gpuOptions()) + cuda.KVBytes(p.Dims, len(p.Blocks), m.maxCtx, m.kvType)
}

func (m *Model) gpuOptions() cuda.Options {
	return cuda.Options{MaxRows: m.maxRows, MaxCtx: m.maxCtx, Release: m.File.Release}
}

// place loads the plan: its last layers on the GPU of the options, if there is
// one and as far as it has memory, the others on the CPU.
func (m *Model) place(dev *cuda.Device, layers int) error {
	if dev == nil {
		return m.placeCPU()
	}
	err := cuda.Check(m.plan)
	fitting := 0
	if err == nil {
		if layers == 0 {
			layers = AllLayers
		}
		fitting, err = m.fit(dev, layers)
	}
	if err == nil && fitting == 0 {
		err = errors.New("it has too little free memory for even one layer")
	}
	if err != nil {
		m.warn("The GPU %v cannot be used: %v. Computing on the CPU.", dev, err)
		return m.placeCPU()
	}
	if all := m.plan.Layers(); fitting < min(layers, all) {
		m.warn("%d of %d layers fit into the free memory of %v; the others are on the CPU.", fitting, all, dev)
	}
	front, back := m.plan.Cut(m.plan.Layers() - fitting)
	stage, err := cuda.New(back, dev, m.gpuOptions())
	if err != nil {
		m.warn("The GPU %v failed: %v. Computing on the CPU.", dev, err)
		return m.placeCPU()
	}
	m.gpu = dev
	if front.Layers() > 0 {
		if err := m.addCPU(front); err != nil {
			return errors.Join(err, stage.Close())
		}
	}
	m.stages = append(m.stages, stage)
	m.hidden = make([]float32, m.maxRows*m.Width)
	return nil
}

// placeCPU loads the whole plan on the CPU.
func (m *Model) placeCPU() error {
	m.gpu, m.stages = nil, nil
	return m.addCPU(m.plan)
}

func (m *Model) addCPU(p plan.Plan) error {
	s, err := cpu.New(p, cpu.Options{
		Pool: m.pool, Tier: m.tier, Workers: m.pool.Workers(), MaxRows: m.maxRows, MaxCtx: m.maxCtx,
		Original: !m.repack, Release: m.File.Release,
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

// OnGPU tells whether a GPU computes a part of the model.
func (m *Model) OnGPU() bool { return m.gpu != nil }

// Placement says in words what is computed where.
func (m *Model) Placement() string {
	if m.gpu == nil {
		return "CPU"
	}
	front, back := plan.Plan{}, m.plan
	if len(m.stages) > 1 {
		front, back = m.plan.Cut(m.plan.Layers() - m.stages[1].(*cuda.Stage).Layers())
	}
	text := fmt.Sprintf("%v (%s): %s, %s", m.gpu, m.gpu.Info().Name, parts(back), humanize.Bytes(uint64(m.gpuBytes(back))))
	if len(m.stages) > 1 {
		text += "; CPU: " + parts(front)
	}
	return text
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

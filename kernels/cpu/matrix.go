package cpu

import (
	"qgo/kernels"
	"qgo/kernels/panel"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/tensor"
)

// linear is a plan's linear layer, with its weights in panels if the tier
// multiplies those.
type linear struct {
	plan.Linear
	panels *panel.Matrix
}

// layers are the linear layers of a block.
type layers struct{ Q, K, V, O, Gate, Up, Down linear }

func (l *layers) all() []*linear {
	return []*linear{&l.Q, &l.K, &l.V, &l.O, &l.Gate, &l.Up, &l.Down}
}

// packBytes is about the size of a piece of weights that is laid out and then
// released.
const packBytes = 4 << 20

// RepackedBytes is the memory that laying out the plan's weights for a tier
// takes, and OriginalBytes that of the tensors that are left as they are.
func RepackedBytes(p plan.Plan, t *tier.Tier) (repacked, original int64) {
	visit := func(w tensor.Tensor) {
		if t.Repacks(w) {
			repacked += int64(tensor.ArenaBytes(t.Panels.Bytes(w.Type, w.Rows, w.Cols)))
		} else {
			original += int64(len(w.Data))
		}
	}
	for i := range p.Blocks {
		for _, l := range p.Blocks[i].Linears() {
			visit(l.W)
		}
	}
	if p.Head != nil {
		visit(p.Head.W)
	}
	return repacked, original
}

// repack lays out all matrices in panels, each worker mostly those that it
// will multiply, so that their pages lie near its core. What has been read is
// released, so that no time has two copies of more than a few pieces.
func (s *Stage) repack(o Options) error {
	size, _ := RepackedBytes(s.Plan, s.tier)
	if o.Original {
		size = 0
	}
	arena, err := tensor.NewArena(int(size))
	if err != nil {
		return err
	}
	s.arena = arena
	var all []*linear
	for i := range s.layers {
		all = append(all, s.layers[i].all()...)
	}
	if s.Head != nil {
		all = append(all, &s.headLayer)
	}
	longest := 0
	for _, l := range all {
		if o.Original || !s.tier.Repacks(l.W) {
			continue
		}
		data := arena.Alloc(s.tier.Panels.Bytes(l.W.Type, l.W.Rows, l.W.Cols))
		if l.panels, err = panel.New(s.tier.Panels, l.W, data); err != nil {
			return err
		}
		longest = max(longest, l.W.Cols)
	}
	if longest == 0 {
		return nil
	}
	return s.pool.Run(func(w *kernels.Worker) {
		packer := s.tier.Panels.NewPacker(longest)
		for _, l := range all {
			if l.panels == nil {
				continue
			}
			size := panel.Rows * l.W.RowBytes()
			for it := w.Items(l.panels.Panels(), max(1, packBytes/size)); it.Next(); {
				if o.Stop != nil {
					if err := o.Stop(); err != nil {
						w.Abort(err)
					}
				}
				if !it.Commit() { // Commit first: panels are packed in place.
					continue
				}
				packer.Pack(l.panels, l.W, it.Lo, it.Hi)
				if o.Release != nil {
					o.Release(l.W.Data[it.Lo*size : min(it.Hi*size, len(l.W.Data))])
				}
			}
		}
	})
}

package bench

import (
	"context"

	"qgo/bench/roofline"
	"qgo/model"
)

// Baseline is another engine that takes turns with qgo on the same tests.
type Baseline interface {
	// Name is what the engine is called in reports.
	Name() string
	// Once does a test once. The result says what the engine tells about
	// itself and has one repetition.
	Once(ctx context.Context, r Request) (*Result, error)
}

// Request is what a baseline is to do.
type Request struct {
	Path      string // of the model
	Threads   int
	GPULayers int // on a GPU; 0 for none
	Test
	// Model is the same model in qgo, for counting tokens.
	Model *model.Model
}

// turn is a baseline in one test.
type turn struct {
	baseline Baseline
	request  Request
	result   *Result
	failed   bool
}

func newTurns(baselines []Baseline, r Request) (all []*turn) {
	for _, b := range baselines {
		all = append(all, &turn{baseline: b, request: r})
	}
	return all
}

func (t *turn) once(ctx context.Context) error {
	if t.failed {
		return nil // it would fail again
	}
	r, err := t.baseline.Once(ctx, t.request)
	if err != nil {
		t.failed = true
		return err
	}
	if t.result == nil {
		t.result = r
		return nil
	}
	t.result.Reps = append(t.result.Reps, r.Reps...)
	return nil
}

// finish completes the baseline's result by what qgo's, for the same model,
// tells of the cost and, if both ran on the same devices, of the bandwidth; nil
// if it did nothing.
func (t *turn) finish(ours *Result, l Limits, given roofline.Machine) *Result {
	r := t.result
	if r == nil || ours == nil {
		return r
	}
	r.Cost, r.Scenario, r.Paired = ours.Cost, ours.Scenario, true
	same := ours.OnGPU() == r.OnGPU()
	if same {
		r.GPUCost = ours.GPUCost
	}
	for i := range r.Reps {
		if same && i < len(ours.Reps) {
			// The probe after qgo's turn is the one before the baseline's.
			rep, before := &r.Reps[i], &ours.Reps[i]
			rep.Before, rep.CPUBefore = before.After, before.CPUAfter
			rep.After, rep.CPUAfter = before.After, before.CPUAfter
			if i+1 < len(ours.Reps) {
				rep.After, rep.CPUAfter = ours.Reps[i+1].Before, ours.Reps[i+1].CPUBefore
			}
		}
	}
	r.Incomplete = len(r.Reps) < len(ours.Reps)
	r.Summarise(l, given)
	return r
}

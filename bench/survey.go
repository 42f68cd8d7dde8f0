package bench

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"qgo/bench/roofline"
	"qgo/gguf"
	"qgo/kernels"
	"qgo/model"
	"qgo/tensor"
)

// synthetic is what [Synthetic] makes, by its name.
const synthetic = "0.5b:q4_0"

// context is the longest text of the tests, or what was asked for.
func (p *Plan) context() int {
	longest := p.Options.Context
	if longest == 0 {
		for _, t := range p.Tests {
			longest = max(longest, t.Context()+contextSlack)
		}
	}
	return longest
}

// options are those of a model with some number of threads and some batch.
func (p *Plan) options(threads, batch int) model.Options {
	o := p.Options
	o.Threads, o.MaxRows, o.Context = threads, batch, p.context()
	return o
}

// workers is a number of threads, of which 0 is one per physical core.
func workers(threads int) int {
	if threads == 0 {
		return kernels.Cores()
	}
	return threads
}

// survey looks at all models before anything is measured: whether they can be
// read, and whether they have room in memory with the texts of the tests. It
// returns the work of a token of each.
func (p *Plan) survey() (map[string]model.Cost, error) {
	for _, t := range p.Tests {
		if c := p.Options.Context; c > 0 && t.Context() > c {
			return nil, fmt.Errorf("%s needs a context of %d: --ctx is %d", t.Name(), t.Context(), c)
		}
	}
	threads, batch := 1, 0
	for _, n := range p.Threads {
		threads = max(threads, workers(n))
	}
	for _, n := range p.Batches {
		batch = max(batch, n)
	}
	o := p.options(threads, batch)
	costs := map[string]model.Cost{}
	for _, path := range p.Models {
		cost, err := surveyOne(path, o)
		if err != nil {
			return nil, err
		}
		costs[path] = cost
	}
	return costs, nil
}

func surveyOne(path string, o model.Options) (cost model.Cost, err error) {
	var s *roofline.Survey
	if path == "" {
		s, err = roofline.OutlineByName(synthetic, o)
	} else {
		var f *gguf.File
		if f, err = gguf.Open(path); err != nil {
			return cost, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		s, err = roofline.NewSurvey(f, o)
	}
	if err != nil {
		return cost, err
	}
	// What a GPU has room for is seen when the model is placed on it.
	if available, known := tensor.Available(); known && o.Device == nil {
		err = hasRoom(s, o.Context, available)
	}
	return s.Cost, err
}

// hasRoom returns an error if a model with that context has no room in so many
// bytes.
func hasRoom(s *roofline.Survey, context int, available int64) error {
	fit, err := s.Fit(context, available)
	if err != nil {
		return fmt.Errorf("the tests need %w", err) // a context that is too long for any memory
	}
	if fit.Fits() {
		return nil
	}
	text := fmt.Sprintf("the tests need a context of %d tokens, and with it the model takes %s of memory: %s are available, ",
		context, humanize.Bytes(uint64(fit.Need)), humanize.Bytes(uint64(available)))
	if fit.LongestContext == 0 {
		return errors.New(text + "too few for any; choose a smaller model, or end other programs")
	}
	return fmt.Errorf("%senough for %d; choose a smaller --depth, --prefill, --decode or --ctx", text, fit.LongestContext)
}

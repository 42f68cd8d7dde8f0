package roofline

import (
	"qgo/gguf"
	"qgo/model"
)

// Fit says whether a model has room in a machine's memory.
type Fit struct {
	Context   int   `json:"context"`
	Need      int64 `json:"need_bytes"`
	Available int64 `json:"available_bytes"`
	// LongestContext is the longest one that has room, 0 if none has: of those
	// for which the model was made, or up to Context.
	LongestContext int `json:"longest_context"`
}

// Fits reports whether all of the model has room.
func (f Fit) Fits() bool { return f.Need <= f.Available }

// Over is the number of bytes that have no room.
func (f Fit) Over() int64 { return max(f.Need-f.Available, 0) }

// Swapped is the rate of decode, in tokens a second, of a machine that must
// read at each token what has no room from storage, at the least: a system
// that drops the least recently used page, as all about do, drops in a loop
// over the weights just those that are needed next.
func (f Fit) Swapped(b Bound, storage float64) float64 {
	if f.Fits() || storage <= 0 {
		return b.Rate
	}
	return 1 / (1/b.Rate + float64(f.Over())/storage)
}

// Survey is what is known about a model without running it.
type Survey struct {
	Name   string
	Config *model.Config
	Cost   model.Cost
	Parts  []Part
	memory func(context int) (int64, error)
	file   *gguf.File
}

// NewSurvey surveys a file or an outline. The options are those of a later
// load; their Context is left to [Survey.Fit]. The memory is that of weights as
// they are in the file: laid out for the kernels of another machine, they take
// about as much.
func NewSurvey(f *gguf.File, o model.Options) (*Survey, error) {
	o.Context, o.NoRepack = 1, true
	c, _, cost, err := model.Survey(f, o)
	if err != nil {
		return nil, err
	}
	return &Survey{
		Name: f.Name, Config: c, Cost: cost, Parts: Parts(f, c), file: f,
		memory: func(context int) (int64, error) {
			o := o
			o.Context = context
			_, m, _, err := model.Survey(f, o)
			return m.Total(), err
		},
	}, nil
}

// Size is the length of the model's file in bytes.
func (s *Survey) Size() int64 { return s.file.Size() }

// contextStep is what the longest context is a multiple of.
const contextStep = 256

// Fit returns how the model fits into that memory with that context.
func (s *Survey) Fit(context int, available int64) (Fit, error) {
	f := Fit{Context: context, Available: available}
	var err error
	if f.Need, err = s.memory(context); err != nil {
		return f, err
	}
	// The memory grows with the context: halve the interval.
	lo, hi := 0, max(s.Config.Context, context)/contextStep+1
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		need, err := s.memory(mid * contextStep)
		if err != nil {
			return f, err
		}
		if need <= available {
			lo = mid
		} else {
			hi = mid
		}
	}
	f.LongestContext = lo * contextStep
	return f, nil
}

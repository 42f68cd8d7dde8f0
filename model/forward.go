package model

import (
	"context"
	"fmt"
	"slices"
	"time"

	"qgo/kernels/plan"
)

// Want says which results of a sequence [Model.Forward] computes.
type Want int

const (
	WantNone Want = iota // only the keys and values
	WantLast             // the logits of the last token
	WantAll              // the logits of every token
	WantTop              // the largest logits of the last token, in Top
	WantTops             // those of every token
)

// Seq is one sequence's part of a batch.
type Seq struct {
	KV     *KV
	Tokens []int32 // the tokens that follow those in KV
	Want   Want

	// Greedy asks for that many further tokens, each the most likely one
	// after those before it. The last of them is not in KV afterwards. Logits
	// are then written with WantLast only. A device may begin with the token after one that is
	// asked for alone.
	Greedy int

	// Logits receives the wanted logits, [1 or len(Tokens)][Vocab]. Its
	// memory is used when there is enough. With WantTop, WantTops and for greedy tokens it
	// holds anything.
	Logits []float32
	// Out receives the greedy tokens. Its memory is used likewise.
	Out []int32
	// Top receives the plan.TopLen largest logits, [1 or len(Tokens)][plan.TopLen], as
	// [plan.Top] orders them. Its memory is used likewise.
	Top []plan.Logit
}

// Forward computes a batch of sequences: all tokens of all of them, in parts
// of at most MaxRows. It is the one entry to the model for chat, benchmarks
// and everything else. When it fails, or ctx ends, every KV is as it was
// before the call. It is not for concurrent use.
func (m *Model) Forward(ctx context.Context, seqs []Seq) error {
	if err := m.check(seqs); err != nil {
		return err
	}
	if m.profiler != nil {
		defer m.profiler.left(time.Now())
	}
	err := m.forward(ctx, seqs)
	if m.lost(err) {
		if err = m.fallBack(ctx, err); err == nil {
			err = m.forward(ctx, seqs)
		}
	}
	return err
}

func (m *Model) forward(ctx context.Context, seqs []Seq) error {
	for i := range seqs {
		if err := m.restore(ctx, seqs[i].KV); err != nil {
			return err
		}
	}
	return m.compute(ctx, seqs)
}

// compute is forward for sequences that have all of their keys and values.
func (m *Model) compute(ctx context.Context, seqs []Seq) (err error) {
	m.before, m.runs, m.finished = m.before[:0], m.runs[:0], 0
	for i := range seqs {
		s := &seqs[i]
		s.Logits = m.resizeLogits(s.Logits, s.wanted(), len(seqs) == 1)
		s.Out = s.Out[:0]
		if s.tops() {
			s.Top = resize(s.Top, s.wanted()*plan.TopLen)
		}
		m.before = append(m.before, s.KV.Len())
		m.runs = append(m.runs, run{seq: i, tokens: s.Tokens, many: len(s.Tokens) >= plan.Many})
	}
	defer func() {
		if err != nil {
			for i := range seqs {
				seqs[i].KV.Truncate(m.before[i])
			}
		}
	}()
	for {
		if err := m.advance(ctx, seqs); err != nil {
			return err
		}
		if m.runs = nextGreedy(m.runs[:0], seqs); len(m.runs) == 0 {
			return nil
		}
	}
}

// goesOn reports whether the batch after the next is expected to be one token more of the only sequence: a
// greedy one, if it is to have more or its caller asks for one at a time, or any, if it comes token by token and
// each time something of its logits is wanted.
func (m *Model) goesOn(seqs []Seq) bool {
	s := &seqs[m.runs[0].seq]
	switch {
	case len(seqs) != 1 || m.slices[0].n < len(m.runs[0].tokens):
		return false
	case m.batch.Best != nil:
		return s.Greedy == 1 || len(s.Out)+1 < s.Greedy
	default:
		return s.Want != WantNone && s.Greedy == 0 && len(s.Tokens) == 1
	}
}

// nextGreedy appends the runs that compute the token after the latest one of every
// sequence that is to have more.
func nextGreedy(runs []run, seqs []Seq) []run {
	for i := range seqs {
		s := &seqs[i]
		if n := len(s.Out); n > 0 && n < s.Greedy {
			runs = append(runs, run{seq: i, tokens: s.Out[n-1:]})
		}
	}
	return runs
}

// all reports whether s wants something of every token, tops whether it wants the largest
// logits alone.
func (s *Seq) all() bool  { return s.Want == WantAll || s.Want == WantTops }
func (s *Seq) tops() bool { return s.Want == WantTop || s.Want == WantTops }

// wanted is the number of rows of logits that s is to have.
func (s *Seq) wanted() int {
	switch {
	case s.all():
		return len(s.Tokens)
	case s.Want != WantNone || s.Greedy > 0:
		return 1
	}
	return 0
}

// pinnedRows is the largest number of rows of logits whose memory stages are told: those of a
// prompt come once.
const pinnedRows = 16

// resizeLogits is resize for rows of logits. They are written directly if there is one
// sequence.
func (m *Model) resizeLogits(s []float32, rows int, direct bool) []float32 {
	before := cap(s)
	s = resize(s, rows*m.Vocab)
	if cap(s) != before && direct && rows <= pinnedRows {
		if p, ok := m.stages[len(m.stages)-1].(plan.Pinner); ok {
			p.Pin(s)
		}
	}
	return s
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func (m *Model) check(seqs []Seq) error {
	for i := range seqs {
		s := &seqs[i]
		if s.KV == nil || s.KV.m != m {
			return fmt.Errorf("model: sequence %d has no KV cache of this model", i)
		}
		for j := range i {
			if seqs[j].KV == s.KV {
				return fmt.Errorf("model: sequences %d and %d share a KV cache", j, i)
			}
		}
		if len(s.Tokens) == 0 {
			return fmt.Errorf("model: sequence %d has no tokens", i)
		}
		if s.Greedy < 0 || s.Greedy > 0 && (s.all() || s.tops()) {
			return fmt.Errorf("model: sequence %d wants %d greedy tokens and Want %d; greedy tokens exclude WantAll, WantTop and WantTops", i, s.Greedy, s.Want)
		}
		if need := s.KV.Len() + len(s.Tokens) + max(s.Greedy-1, 0); need > s.KV.ctx {
			return &ContextError{Need: need, Room: s.KV.ctx}
		}
		for j, t := range s.Tokens {
			if t < 0 || int(t) >= m.Vocab {
				return fmt.Errorf("model: token %d of sequence %d is %d; the vocabulary has 0 to %d", j, i, t, m.Vocab-1)
			}
		}
	}
	return nil
}

// ContextError says that a sequence does not fit its KV cache.
type ContextError struct{ Need, Room int }

func (e *ContextError) Error() string {
	return fmt.Sprintf("the text needs %d positions but the context has room for %d; choose a larger context or a shorter text", e.Need, e.Room)
}

// A run is tokens of a sequence that are still to be computed.
type run struct {
	seq    int
	tokens []int32
	many   bool // tokens at first: see plan.Batch
	rows   int  // of logits already written
}

// A slice is the part of a run that is in the current batch.
type slice struct {
	run     int
	n       int // rows
	outputs int // rows of logits
}

// advance computes m.runs to their ends, in batches.
func (m *Model) advance(ctx context.Context, seqs []Seq) error {
	apart := slices.ContainsFunc(m.stages, plan.Stage.Apart)
	for first := 0; first < len(m.runs); {
		b := &m.batch
		b.Spans, b.Tokens, b.Outputs = b.Spans[:0], b.Tokens[:0], b.Outputs[:0]
		b.Many = m.runs[first].many
		m.slices = m.slices[:0]
		// Runs with logits in this batch; whether nothing else is wanted than the best, or the largest.
		wanting, best, top := 0, true, true
		for i := first; i < len(m.runs) && len(b.Tokens) < m.maxRows; i++ {
			r := &m.runs[i]
			if apart && r.many != b.Many {
				break // few tokens and many are computed in different ways
			}
			s := &seqs[r.seq]
			sl := slice{run: i, n: min(len(r.tokens), m.maxRows-len(b.Tokens))}
			row := len(b.Tokens)
			b.Tokens = append(b.Tokens, r.tokens[:sl.n]...)
			switch {
			case s.all():
				sl.outputs = sl.n
			case s.wanted() > 0 && sl.n == len(r.tokens):
				sl.outputs = 1
			}
			for j := row + sl.n - sl.outputs; j < row+sl.n; j++ {
				b.Outputs = append(b.Outputs, j)
			}
			wanting += min(sl.outputs, 1)
			if sl.outputs > 0 {
				best, top = best && s.Want == WantNone, top && (s.Want == WantNone || s.tops())
			}
			m.slices = append(m.slices, sl)
		}
		b.Best, b.Top = nil, nil
		switch {
		case wanting == 0:
		case best:
			m.best = resize(m.best, len(b.Outputs))
			b.Best = m.best
		case top:
			m.top = resize(m.top, len(b.Outputs)*plan.TopLen)
			b.Top = m.top
		}
		b.Next = wanting > 0 && m.goesOn(seqs)
		if err := m.runBatch(ctx, seqs, wanting == 1); err != nil {
			return err
		}
		m.take(seqs)
		m.finished += len(b.Tokens)
		m.within(0)
		for _, sl := range m.slices {
			r := &m.runs[sl.run]
			kv := seqs[r.seq].KV
			kv.tokens = append(kv.tokens, r.tokens[:sl.n]...)
			r.tokens, r.rows = r.tokens[sl.n:], r.rows+sl.outputs
			if len(r.tokens) == 0 {
				first++
			}
		}
	}
	return nil
}

// take gives the sequences whose tokens end in the batch their largest logits, and appends the
// most likely token to those that are to have greedy ones.
func (m *Model) take(seqs []Seq) {
	b, at := &m.batch, 0
	for _, sl := range m.slices {
		r := &m.runs[sl.run]
		s := &seqs[r.seq]
		switch {
		case sl.outputs == 0:
		case s.tops():
			for i := range sl.outputs {
				to := s.Top[(r.rows+i)*plan.TopLen:][:plan.TopLen]
				if b.Top == nil {
					plan.Top(to, s.Logits[(r.rows+i)*m.Vocab:][:m.Vocab])
				} else {
					copy(to, b.Top[(at+i)*plan.TopLen:])
				}
			}
		case s.Greedy == 0:
		case b.Best != nil:
			s.Out = append(s.Out, b.Best[at])
		case b.Top != nil:
			s.Out = append(s.Out, b.Top[at*plan.TopLen].Token)
		default:
			s.Out = append(s.Out, plan.Largest(s.Logits))
		}
		at += sl.outputs
	}
}

// within reports the tokens that are done, with a share of a batch of those
// layers that are on the CPU.
func (m *Model) within(share float64) {
	if m.Progress == nil {
		return
	}
	if m.gpu != nil {
		share *= float64(m.plan.Layers()-m.Placement().GPULayers) / float64(m.plan.Layers())
	}
	m.Progress(m.finished + int(share*float64(len(m.batch.Tokens))))
}

// runBatch passes m.batch, which consists of m.slices, through the stages. If
// only one run wants logits they are written where they belong at once.
func (m *Model) runBatch(ctx context.Context, seqs []Seq, direct bool) error {
	b := &m.batch
	b.Logits, b.Hidden = nil, nil
	if len(m.stages) > 1 {
		b.Hidden = m.hidden[:len(b.Tokens)*m.Width]
	}
	for _, sl := range m.slices {
		if r := &m.runs[sl.run]; direct && sl.outputs > 0 {
			b.Logits = seqs[r.seq].Logits[r.rows*m.Vocab:][:sl.outputs*m.Vocab]
		}
	}
	if !direct && len(b.Outputs) > 0 {
		m.logits = resize(m.logits, len(b.Outputs)*m.Vocab)
		b.Logits = m.logits
	}
	for i, stage := range m.stages {
		b.Spans = b.Spans[:0]
		for _, sl := range m.slices {
			kv := seqs[m.runs[sl.run].seq].KV
			b.Spans = append(b.Spans, plan.Span{KV: kv.parts[i], Pos: kv.Len(), N: sl.n})
		}
		if err := stage.Run(ctx, b); err != nil {
			return err
		}
	}
	if direct || b.Best != nil || b.Top != nil {
		return nil
	}
	from := b.Logits
	for _, sl := range m.slices {
		r := &m.runs[sl.run]
		n := sl.outputs * m.Vocab
		copy(seqs[r.seq].Logits[r.rows*m.Vocab:], from[:n])
		from = from[n:]
	}
	return nil
}

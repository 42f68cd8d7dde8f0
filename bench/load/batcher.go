package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"qgo/bench"
	"qgo/model"
	"qgo/model/sample"
	"qgo/model/tokenizer"
)

// PromptChunk is the most tokens of a prompt that a step of a [Batcher] computes
// beside the next token of every answer: the answers go on while prompts are
// read, each token later by what a chunk takes.
const PromptChunk = 256

// errFellBack is for what was computed on a GPU in part.
var errFellBack = errors.New("the GPU failed, and the CPU went on: what was timed is no rate of either")

// Batcher answers several requests at once by a model of this program, with
// continuous batching: every step is one Forward of one token of each sequence
// that decodes, and of a chunk of one prompt, that of the request that came
// first.
type Batcher struct {
	m     *model.Model
	p     sample.Params // by which tokens are chosen
	gpu   bool          // whether the model was on a GPU at first
	free  []*model.KV
	jobs  chan *job
	ctx   context.Context // ends the steps
	close context.CancelFunc
	done  sync.WaitGroup

	active []*job // in the order in which they came
	seqs   []model.Seq
	batch  []*job // that seqs are of
}

// job is a request and its answer.
type job struct {
	ctx    context.Context
	text   string
	gen    int
	start  time.Time
	seq    model.Seq
	by     chooser
	prompt []int32 // what is not computed yet
	next   [1]int32
	ids    []int32 // the answer
	decode *tokenizer.Decoder
	last   time.Duration
	rep    bench.Rep
	err    error
	done   chan struct{}
}

// NewBatcher makes room for the texts of so many users, of up to ctxLen tokens
// each, which are chosen by p. That there is memory for them is checked before.
// Close it after use.
func NewBatcher(ctx context.Context, m *model.Model, users, ctxLen int, p sample.Params) (*Batcher, error) {
	kvs, err := newKVs(m, users, ctxLen)
	if err != nil {
		return nil, err
	}
	b := &Batcher{m: m, p: p, gpu: m.OnGPU(), free: kvs, jobs: make(chan *job)}
	b.ctx, b.close = context.WithCancel(ctx)
	b.done.Go(b.run)
	return b, nil
}

// Close ends all answers and frees the memory.
func (b *Batcher) Close() error {
	b.close()
	b.done.Wait()
	return closeKVs(b.free)
}

// Answer is an [Engine]'s, in which the model's end of an answer is a token like any
// other.
func (b *Batcher) Answer(ctx context.Context, text string, tokens int) (bench.Rep, error) {
	j := &job{ctx: ctx, text: text, gen: tokens, start: time.Now(), done: make(chan struct{})}
	if err := b.do(j); err != nil {
		return bench.Rep{}, err
	}
	return j.rep, j.err
}

// do has a request answered, unless an error is returned.
func (b *Batcher) do(j *job) error {
	select {
	case b.jobs <- j:
		<-j.done
		return nil
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

// run does steps while there are requests.
func (b *Batcher) run() {
	for b.admit() {
		b.step()
	}
	for _, j := range b.active {
		b.end(j, context.Cause(b.ctx))
	}
}

// admit takes the requests that are there, and waits for one if none is being
// answered. It returns false when all is to end.
func (b *Batcher) admit() bool {
	if len(b.active) == 0 {
		select {
		case j := <-b.jobs:
			b.begin(j)
		case <-b.ctx.Done():
		}
	}
	for len(b.free) > 0 {
		select {
		case j := <-b.jobs:
			b.begin(j)
		default:
			return b.ctx.Err() == nil
		}
	}
	return b.ctx.Err() == nil
}

// begin makes tokens of a request and gives it a KV cache.
func (b *Batcher) begin(j *job) {
	kv := b.free[len(b.free)-1]
	kv.Truncate(0)
	b.free = b.free[:len(b.free)-1]
	j.seq.KV = kv
	prompt, err := bench.ScenarioPrompt(b.m, j.text)
	if need := len(prompt) + j.gen; err == nil && need > kv.Cap() {
		err = &model.ContextError{Need: need, Room: kv.Cap()}
	}
	if err == nil {
		j.by, err = newChooser(b.m, b.p)
	}
	if err == nil {
		err = j.by.begin(prompt)
	}
	if err != nil {
		b.end(j, err)
		return
	}
	j.prompt, j.rep.Prompt = prompt, len(prompt)
	j.decode = b.m.Tokenizer.NewDecoder()
	j.decode.SkipControl = true
	j.ids, j.rep.Gaps = make([]int32, 0, j.gen), make([]int64, 0, j.gen)
	b.active = append(b.active, j)
}

// end gives a request's result to who waits for it.
func (b *Batcher) end(j *job, err error) {
	b.free = append(b.free, j.seq.KV)
	j.seq.KV = nil
	j.err = err
	close(j.done)
}

// step computes the next token of every answer, and a chunk of a prompt.
func (b *Batcher) step() {
	b.compose()
	if len(b.batch) > 0 {
		err := b.m.Forward(b.ctx, b.seqs)
		if err == nil && b.gpu && !b.m.OnGPU() {
			err = errFellBack
		}
		for i, j := range b.batch {
			if j.err = err; err == nil {
				j.err = j.advance(b.ctx, b.m, &b.seqs[i])
			}
		}
	}
	b.active = slices.DeleteFunc(b.active, func(j *job) bool {
		err := j.err
		if err == nil && j.rep.Gen < j.gen {
			if err = context.Cause(j.ctx); err == nil {
				return false
			}
		}
		b.end(j, err)
		return true
	})
}

// compose makes the batch of a step.
func (b *Batcher) compose() {
	b.seqs, b.batch = b.seqs[:0], b.batch[:0]
	var reads *job
	for _, j := range b.active {
		switch {
		case len(j.prompt) == 0:
			j.seq.Tokens = j.next[:]
			j.by.asks(&j.seq)
			b.add(j)
		case reads == nil:
			reads = j
		}
	}
	if reads == nil {
		return
	}
	n := min(len(reads.prompt), PromptChunk, max(b.m.MaxRows()-len(b.batch), 1))
	reads.seq.Tokens, reads.seq.Greedy, reads.seq.Want = reads.prompt[:n], 0, model.WantNone
	if n == len(reads.prompt) {
		reads.by.asks(&reads.seq)
	}
	b.add(reads)
}

func (b *Batcher) add(j *job) {
	b.seqs, b.batch = append(b.seqs, j.seq), append(b.batch, j)
}

// advance takes what a step computed for a request.
func (j *job) advance(ctx context.Context, m *model.Model, s *model.Seq) error {
	asked := s.Greedy > 0 || s.Want != model.WantNone
	var id int32
	if asked {
		var err error
		if id, err = j.by.next(ctx, m, s); err != nil {
			return err
		}
	}
	j.seq.Logits, j.seq.Out, j.seq.Top = s.Logits, s.Out, s.Top // their memory
	if len(j.prompt) > 0 {
		j.prompt = j.prompt[len(s.Tokens):]
	}
	if !asked {
		return nil
	}
	j.next[0] = id
	j.ids = append(j.ids, id)
	j.decode.Next(id) // to text, as a user gets it
	now := time.Since(j.start)
	if j.rep.Gen == 0 {
		j.rep.TTFT = int64(now)
	} else {
		j.rep.Gaps = append(j.rep.Gaps, int64(now-j.last))
	}
	j.last, j.rep.NS = now, int64(now)
	j.rep.Gen++
	return nil
}

// newKVs makes n KV caches for texts of up to ctxLen tokens.
func newKVs(m *model.Model, n, ctxLen int) (all []*model.KV, err error) {
	if err := checkMemory(m, n, ctxLen); err != nil {
		return nil, err
	}
	for i := range n {
		kv, err := m.NewKV(ctxLen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("there is no room for text %d of %d: %w", i+1, n, err), closeKVs(all))
		}
		all = append(all, kv)
	}
	return all, nil
}

func closeKVs(all []*model.KV) error {
	var errs []error
	for _, kv := range all {
		errs = append(errs, kv.Close())
	}
	return errors.Join(errs...)
}

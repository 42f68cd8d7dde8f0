package model

import (
	"context"
	"fmt"
	"iter"
	"time"

	"qgo/model/sample"
)

// Generation says how a text is continued.
type Generation struct {
	Sampling  sample.Params
	MaxTokens int      // 0 means as many as the context has room for
	Stop      []string // texts that end the answer and are not part of it
	IgnoreEOG bool     // go on after the model's end of the answer
	// Speculate checks several tokens in a pass where the text seems to repeat
	// what stood in it before. It changes how fast the answer comes, and nothing
	// else.
	Speculate bool
	// Progress is called during prefill with the number of tokens computed
	// and of all that are to be, from none on and a few times in each layer: by
	// the caller's goroutine, which should not be kept long.
	Progress func(done, total int)
	// Token is called with each token of the answer, before its text goes
	// out: not every token has text of its own.
	Token func(id int32)
}

// Why a generation ended.
const (
	EndOfText   = "stop"    // the model ended its answer
	StopText    = "text"    // a stop string came
	LengthLimit = "length"  // MaxTokens was reached
	ContextFull = "context" // there is no room for more tokens
)

// Stats are the figures of a generation.
type Stats struct {
	Prompt    int           // tokens of the prompt
	Reused    int           // of them, those whose keys and values were there already
	Prefill   time.Duration // for the others, to the first token
	Generated int           // tokens of the answer
	Decode    time.Duration // for all of them but the first
	Drafted   int           // tokens that were computed because they seemed to come next
	Accepted  int           // of them, those that came
	End       string        // why it ended; empty if it was broken off
}

// PrefillRate and DecodeRate are in tokens per second, 0 if nothing was
// computed.
func (s Stats) PrefillRate() float64 { return rate(s.Prompt-s.Reused, s.Prefill) }
func (s Stats) DecodeRate() float64  { return rate(s.Generated-1, s.Decode) }

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Session is a text that grows: it remembers the tokens computed so far, and
// computes of a new prompt only what differs.
type Session struct {
	m     *Model
	kv    *KV
	seq   [1]Seq
	next  [1]int32 // the token to compute in decode
	want  Want     // of decode
	guess *guesses // nil without speculation
	stats Stats
}

// NewSession makes room for a text of ctx tokens; 0 means the longest that
// the model was loaded for. Close it after use.
func (m *Model) NewSession(ctx int) (*Session, error) {
	if ctx == 0 {
		ctx = m.maxCtx
	}
	kv, err := m.NewKV(ctx)
	if err != nil {
		return nil, err
	}
	return &Session{m: m, kv: kv}, nil
}

// Close frees the memory.
func (s *Session) Close() error { return s.kv.Close() }

// Len is the number of the text's tokens whose keys and values are there, Cap the
// number there is room for.
func (s *Session) Len() int { return s.kv.Len() - s.guess.ahead() }
func (s *Session) Cap() int { return s.kv.Cap() }

// Stats returns the figures of the latest generation.
func (s *Session) Stats() Stats { return s.stats }

// Generate continues prompt and returns the text in pieces as it comes.
// Breaking the loop off is fine: what was computed is kept for the next
// prompt that begins with the same tokens. The last piece comes with an error
// if ctx ends or something fails.
func (s *Session) Generate(ctx context.Context, prompt []int32, g Generation) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.stats = Stats{Prompt: len(prompt)}
		if err := s.generate(ctx, prompt, g, func(text string) bool { return text == "" || yield(text, nil) }); err != nil {
			yield("", err)
		}
	}
}

func (s *Session) generate(ctx context.Context, prompt []int32, g Generation, emit func(string) bool) error {
	if len(prompt) == 0 {
		return fmt.Errorf("there is nothing to continue: the prompt has no tokens")
	}
	if len(prompt) > s.Cap() {
		return &ContextError{Need: len(prompt), Room: s.Cap()}
	}
	sampler, err := sample.New(s.m.Vocab, g.Sampling)
	if err != nil {
		return err
	}
	if err := sampler.Prime(prompt); err != nil {
		return err
	}
	stops, err := sample.NewStopMatcher(g.Stop...)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.prefill(ctx, prompt, g.Progress); err != nil {
		return err
	}
	decoder := s.m.Tokenizer.NewDecoder()
	decoder.SkipControl = true
	s.speculate(prompt, g.Speculate)
	defer s.settle()
	s.want = WantFor(sampler)
	for {
		id, err := s.choose(ctx, sampler)
		if err != nil {
			return err
		}
		if err := sampler.Accept(id); err != nil {
			return err
		}
		if s.stats.Generated++; s.stats.Generated == 1 {
			s.stats.Prefill = time.Since(start)
			start = time.Now()
		}
		s.stats.Decode = time.Since(start)
		if g.Token != nil {
			g.Token(id)
		}
		end := !g.IgnoreEOG && s.m.Tokenizer.IsEOG(id)
		if !end {
			text, stopped := stops.Push(decoder.Next(id))
			if !emit(text) {
				return nil
			}
			if stopped {
				s.stats.End = StopText
				return nil
			}
		}
		switch {
		case end:
			s.stats.End = EndOfText
		case s.stats.Generated == g.MaxTokens:
			s.stats.End = LengthLimit
		case s.Len() == s.Cap():
			s.stats.End = ContextFull
		default:
			if err := s.after(ctx, id, g.MaxTokens-s.stats.Generated); err != nil {
				return err
			}
			continue
		}
		text, _ := stops.Push(decoder.Flush())
		_ = emit(text) && emit(stops.Flush())
		return nil
	}
}

// prefill computes the prompt from where it differs from the tokens that are
// there; at least its last token, whose logits are needed.
func (s *Session) prefill(ctx context.Context, prompt []int32, progress func(done, total int)) error {
	same := 0
	for same < min(s.Len(), len(prompt)-1) && s.kv.tokens[same] == prompt[same] {
		same++
	}
	s.kv.Truncate(same)
	s.stats.Reused = same
	rest := prompt[same:]
	done, total := 0, len(rest)
	if progress != nil {
		progress(0, total)
		// Tokens of a GPU's lost sequence may come on top.
		s.m.Progress = func(n int) { progress(min(done+n, total), total) }
		defer func() { s.m.Progress = nil }()
	}
	for done < total {
		n := min(total-done, s.m.MaxRows())
		if err := s.forward(ctx, rest[done:done+n]); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// forward computes tokens and leaves the logits of the last one in s.seq.
func (s *Session) forward(ctx context.Context, tokens []int32) error {
	return s.compute(ctx, tokens, WantLast)
}

func (s *Session) compute(ctx context.Context, tokens []int32, want Want) error {
	s.seq[0].KV, s.seq[0].Tokens, s.seq[0].Want = s.kv, tokens, want
	return s.m.Forward(ctx, s.seq[:])
}

// after computes the token that the text goes on with. So many tokens may follow, or
// any number if it is below 0.
func (s *Session) after(ctx context.Context, id int32, room int) error {
	if s.guess != nil {
		return s.guessed(ctx, id, room)
	}
	s.next[0] = id
	return s.compute(ctx, s.next[:], s.want)
}

// choose chooses the token that follows the text's latest one.
func (s *Session) choose(ctx context.Context, sampler *sample.Sampler) (int32, error) {
	seq := s.latest()
	if seq.Want != WantTop {
		return s.m.Sample(ctx, &seq, sampler)
	}
	if id, ok := sampler.SampleTop(seq.Top); ok {
		return id, nil
	}
	s.settle() // the token is computed again
	id, err := s.m.Sample(ctx, &seq, sampler)
	s.seq[0].Logits = seq.Logits // its memory
	return id, err
}

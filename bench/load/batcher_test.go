package load

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"qgo/bench"
	"qgo/model"
	"qgo/model/demo"
	"qgo/model/sample"
	"qgo/tensor"
)

const contextOf = 512 // of the tests' texts

// loaded loads the demonstration model.
func loaded(t *testing.T) *model.Model {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Threads: 2, Context: contextOf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func texts(t *testing.T, m *model.Model, tokens int) Texts {
	t.Helper()
	text, err := bench.ScenarioText(m, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return NewTexts(text)
}

// alone returns the answer that a session gives.
func alone(t *testing.T, m *model.Model, text string, tokens int, p sample.Params) (ids []int32, prompt int) {
	t.Helper()
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	asked, err := bench.ScenarioPrompt(m, text)
	if err != nil {
		t.Fatal(err)
	}
	g := model.Generation{Sampling: p, MaxTokens: tokens, IgnoreEOG: true, Token: func(id int32) { ids = append(ids, id) }}
	for _, failed := range s.Generate(context.Background(), asked, g) {
		if failed != nil {
			t.Fatal(failed)
		}
	}
	return ids, len(asked)
}

// TestBatcher expects of every answer among others that it is the one that a
// sequence gives alone, token for token: with prompts of a chunk and of more,
// and more requests than users; of the most likely tokens, and of sampled ones, whose
// penalties are so strong that the largest logits are not always enough.
func TestBatcher(t *testing.T) {
	m := loaded(t)
	short, long := texts(t, m, 40), texts(t, m, PromptChunk+90)
	const each, tokens = 2, 20
	for users, p := range map[int]sample.Params{
		1: {Temperature: 1, TopK: 60, PresencePenalty: 30},
		3: {},
		8: {Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05},
	} {
		b, err := NewBatcher(t.Context(), m, users, contextOf, p)
		if err != nil {
			t.Fatal(err)
		}
		jobs := make([]*job, users*each)
		var asked sync.WaitGroup
		for i := range jobs {
			text := short.At(i)
			if i%3 == 0 {
				text = long.At(i)
			}
			jobs[i] = &job{ctx: t.Context(), text: text, gen: tokens + i, done: make(chan struct{})}
			asked.Go(func() {
				if err := b.do(jobs[i]); err != nil {
					t.Error(err)
				}
			})
		}
		asked.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		for i, j := range jobs {
			want, prompt := alone(t, m, j.text, j.gen, p)
			if j.err != nil || !slices.Equal(j.ids, want) || j.rep.Prompt != prompt || j.rep.Gen != j.gen || len(j.rep.Gaps) != j.gen-1 {
				t.Errorf("%d users, request %d: %v, %d tokens of prompt, %d of answer:\n%v, alone:\n%v", users, i, j.err, j.rep.Prompt, j.rep.Gen, j.ids, want)
			}
		}
	}
}

// TestBatcherChunks expects of each step one chunk of one prompt, that of the
// request that came first, and a token of every answer.
func TestBatcherChunks(t *testing.T) {
	m := loaded(t)
	b := &Batcher{m: m, ctx: t.Context(), jobs: make(chan *job)}
	var err error
	if b.free, err = newKVs(m, 3, contextOf); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeKVs(b.free) }()
	for i, n := range []int{40, PromptChunk + 50, 40} {
		b.begin(&job{ctx: t.Context(), text: texts(t, m, n).At(i), gen: 3, done: make(chan struct{})})
	}
	a := b.active
	rest := len(a[1].prompt) - PromptChunk
	for i, want := range [][]int{{len(a[0].prompt)}, {1, PromptChunk}, {1, rest}, {1, len(a[2].prompt)}, {1, 1}, {1}} {
		b.compose()
		var got []int
		for _, s := range b.seqs {
			got = append(got, len(s.Tokens))
		}
		if !slices.Equal(got, want) {
			t.Errorf("step %d has %d tokens, want %d", i, got, want)
		}
		b.step()
	}
	if len(b.active) != 0 || len(b.free) != 3 {
		t.Errorf("%d requests and %d KV caches at the end", len(b.active), len(b.free))
	}
}

// TestBatcherEnds expects that requests fail when a context ends or they have no
// room, and that others go on.
func TestBatcherEnds(t *testing.T) {
	m := loaded(t)
	ctx, cancel := context.WithCancel(t.Context())
	b, err := NewBatcher(ctx, m, 2, 100, sample.Params{})
	if err != nil {
		t.Fatal(err)
	}
	text := texts(t, m, 40).At(0)
	var full *model.ContextError
	if _, err := b.Answer(t.Context(), text, 90); !errors.As(err, &full) || full.Room != 100 {
		t.Errorf("an answer beyond the context: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := b.Answer(gone, text, 8); !errors.Is(err, context.Canceled) {
		t.Errorf("an answer that nobody waits for: %v", err)
	}
	if rep, err := b.Answer(t.Context(), text, 8); err != nil || rep.Gen != 8 || rep.TTFT <= 0 || rep.NS < rep.TTFT {
		t.Errorf("%+v, %v", rep, err)
	}
	cancel()
	if _, err := b.Answer(t.Context(), text, 8); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestPlanOnModel measures the model with everything that a report has of it.
func TestPlanOnModel(t *testing.T) {
	m := loaded(t)
	b, err := NewBatcher(t.Context(), m, 3, 128, sample.Params{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{Users: []int{1, 3}, Requests: 2, Prompt: 40, Answer: 5, Texts: texts(t, m, 40), Limits: limits}
	levels, err := p.Run(t.Context(), b)
	if err = errors.Join(err, b.Close()); err != nil || len(levels) != 2 {
		t.Fatal(err, levels)
	}
	if l := levels[1]; l.Requests != 6 || l.Failed != 0 || l.TTFT.P50 <= 0 || l.TPOT.P50 <= 0 || l.TotalTS <= 0 || l.Prompt < 35 || l.Prompt > 45 {
		t.Errorf("%+v", l)
	}
}

func TestBatchDecode(t *testing.T) {
	m := loaded(t)
	var said []string
	for _, p := range []sample.Params{{Temperature: 1, TopP: 0.9}, {}} {
		steps, err := BatchDecode(t.Context(), m, []int{1, 3}, 40, p, func(s string) { said = append(said, s) })
		if err != nil || len(steps) != 2 || steps[1].Sequences != 3 || steps[1].Depth != 40 || steps[1].MS <= 0 || !near(steps[1].TotalTS, 3*steps[1].EachTS) {
			t.Errorf("%v, %+v", err, steps)
		}
	}
	if want := "filling KV cache 3 of 3"; !slices.Contains(said, want) || said[len(said)-1] != "decode of 3 sequences at once" {
		t.Errorf("it says %q", said)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := BatchDecode(gone, m, []int{1}, 40, sample.Params{}, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestMemory(t *testing.T) {
	limit := tensor.Limit{Bytes: 10e6, Source: tensor.SourceContainer}
	if err := fits(5, 1000, 2e6, limit); err != nil {
		t.Error(err)
	}
	for each, want := range map[int64]string{
		2e6:  "6 users at once need 12 MB of memory (KV caches of 1000 tokens, and logits), and 10 MB are available (the container's limit): choose at most 5 users, or shorter texts",
		11e6: "6 users at once need 66 MB of memory (KV caches of 1000 tokens, and logits), and 10 MB are available (the container's limit): choose shorter texts",
	} {
		if err := fits(6, 1000, each, limit); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	m := loaded(t)
	_, known := tensor.Memory()
	if err := checkMemory(m, 1<<30, contextOf); (err != nil) != known || known && !strings.HasPrefix(err.Error(), "1,073,741,824 users at once need ") {
		t.Errorf("%v", err)
	}
}

package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"qgo/model"
	"qgo/model/chat"
)

// prepareRequest is prepare for a scenario: a chat request with its text.
// TTFT counts from the request to the text of the answer's first token, with
// template and tokeniser; the model is loaded, and its cache empty.
func (r *Runner) prepareRequest(ctx context.Context, t Test) (once func(short bool) (Rep, error), closeWork func() error, err error) {
	m := r.Model
	if t.Context() > m.MaxContext() {
		return nil, nil, fmt.Errorf("scenario %s needs a context of %d: --ctx is %d", t.Scenario, t.Context(), m.MaxContext())
	}
	text, err := ScenarioText(m, t.Prompt)
	if err != nil {
		return nil, nil, err
	}
	return func(short bool) (Rep, error) {
		gen := t.Gen
		if short {
			gen = min(gen, warmUp)
		}
		// A new session: nothing of an earlier request is in its cache.
		s, err := m.NewSession(min(t.Context()+contextSlack, m.MaxContext()))
		if err != nil {
			return Rep{}, err
		}
		defer s.Close()
		return request(ctx, m, s, text, gen, r.prefilled)
	}, func() error { return nil }, nil
}

// contextSlack is room for the few tokens by which a prompt may be longer than
// asked for.
const contextSlack = 64

func conversation(text string) chat.Conversation {
	return chat.Conversation{Messages: []chat.Message{{Role: "user", Content: text}}, AddGenerationPrompt: true}
}

// request does a chat request. It calls prefilled when the first token is there.
func request(ctx context.Context, m *model.Model, s *model.Session, text string, gen int, prefilled func()) (Rep, error) {
	var rep Rep
	rep.Gaps = make([]int64, 0, gen)
	var last time.Duration
	start := time.Now()
	ids, err := m.Prompt(conversation(text))
	if err != nil {
		return rep, err
	}
	var before counts // of decode
	g := model.Generation{MaxTokens: gen, IgnoreEOG: true, Token: func(int32) {
		now := time.Since(start)
		if rep.Gen == 0 {
			rep.TTFT, before = int64(now), countsOf(m)
			prefilled()
		} else {
			rep.Gaps = append(rep.Gaps, int64(now-last))
			rep.countSince(before, m)
		}
		rep.Gen++
		last = now
	}}
	for _, failed := range s.Generate(ctx, ids, g) {
		err = failed
	}
	rep.NS, rep.Prompt = int64(last), len(ids)
	if err != nil {
		return rep, err
	}
	if rep.Gen < gen {
		return rep, fmt.Errorf("the answer ended after %d of %d tokens (%s)", rep.Gen, gen, s.Stats().End)
	}
	return rep, nil
}

// words make up prompts: common ones, which most vocabularies have.
var words = strings.Fields(`the of and to in is that for it as was with be by on not he his but at are this have from
or had an they which one you were all her she there would their we him been has when who will no more if out so up said`)

// promptText returns text whose prompt, as count counts it, has n tokens or as
// few more as can be. It is the same for every engine.
func promptText(n int, count func(text string) (int, error)) (string, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	all := make([]string, n)
	for i := range all {
		all[i] = words[rng.IntN(len(words))]
	}
	text := func(words int) string { return strings.Join(all[:words], " ") }
	// The number of tokens rises with the number of words.
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		got, err := count(text(mid))
		if err != nil {
			return "", err
		}
		if got < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return text(lo), nil
}

// ScenarioText is the text of a scenario's request for a model: its prompt has
// n tokens or as few more as can be.
func ScenarioText(m *model.Model, n int) (string, error) {
	return promptText(n, func(text string) (int, error) {
		ids, err := m.Prompt(conversation(text))
		return len(ids), err
	})
}

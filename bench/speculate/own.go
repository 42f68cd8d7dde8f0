package speculate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/draft/texts"
)

// OwnText is the name of the kind of text that the model chooses itself.
const OwnText = "its own"

// talk is a conversation in which the model answers the questions of [texts].
type talk struct {
	m         *model.Model
	answer    int // tokens of an answer at most
	ignoreEOG bool
	context   int
}

// own measures text that the model chooses, the most likely tokens: they must be the
// same in every turn.
func (p *Plan) own(ctx context.Context, m *model.Model, r *Report) error {
	p.step(OwnText + ": warm-up")
	began := time.Now()
	t := &talk{m: m, answer: max(p.Answer/len(texts.Questions), MinAnswer), context: min(p.ownContext(), m.MaxContext())}
	stats, first, err := t.speak(ctx, false)
	if err == nil && stats.Generated == len(texts.Questions) {
		// It ends every answer at once: what it writes behind that is timed.
		t.ignoreEOG = true
		stats, first, err = t.speak(ctx, false)
	}
	if err != nil {
		return err
	}
	p.warm.add(began)
	k := &Kind{Name: OwnText, Prompt: stats.Prompt, Answer: stats.Generated}
	return p.turns(r, k, stats.Generated-len(texts.Questions), func(guesses bool) (model.Stats, error) {
		s, tokens, err := t.speak(ctx, guesses)
		if err != nil {
			return s, err
		}
		return s, same(first, tokens)
	})
}

// same is an error if a turn's text is another one than the first's.
func same(first, tokens []int32) error {
	for i := range first {
		if i == len(tokens) || tokens[i] != first[i] {
			return fmt.Errorf("token %d of the model's own text is not what it was in the first turn: guesses must not change a text, so this is a mistake in qgo; please report it", i+1)
		}
	}
	if len(tokens) > len(first) {
		return fmt.Errorf("the model's own text has %d tokens, and had %d in the first turn: guesses must not change a text, so this is a mistake in qgo; please report it", len(tokens), len(first))
	}
	return nil
}

// speak holds the conversation, in a session of its own so that every turn computes
// the same batches. The figures are sums but for the prompt, which is the last one.
func (t *talk) speak(ctx context.Context, guesses bool) (sum model.Stats, tokens []int32, err error) {
	s, err := t.m.NewSession(t.context)
	if err != nil {
		return sum, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	g := model.Generation{
		MaxTokens: t.answer, IgnoreEOG: t.ignoreEOG, Speculate: guesses,
		Token: func(id int32) { tokens = append(tokens, id) },
	}
	var said []chat.Message
	for _, question := range texts.Questions {
		said = append(said, chat.Message{Role: "user", Content: question})
		prompt, err := t.prompt(said)
		if err == nil && len(prompt)+t.answer > s.Cap() {
			// Text of random tokens may have more of them when it is read again.
			said = said[len(said)-1:]
			prompt, err = t.prompt(said)
		}
		if err != nil {
			return sum, nil, err
		}
		answer := ""
		for text, err := range s.Generate(ctx, prompt, g) {
			if err != nil {
				return sum, nil, err
			}
			answer += text
		}
		said = append(said, chat.Message{Role: "assistant", Content: answer})
		stats := s.Stats()
		sum.Prompt = stats.Prompt
		sum.Generated += stats.Generated
		sum.Decode += stats.Decode
		sum.Drafted += stats.Drafted
		sum.Accepted += stats.Accepted
	}
	return sum, tokens, nil
}

// prompt is the conversation in the model's chat template, or line by line if it has
// none that works.
func (t *talk) prompt(said []chat.Message) ([]int32, error) {
	if _, err := t.m.Template(); err == nil {
		return t.m.Prompt(chat.Conversation{Messages: said, AddGenerationPrompt: true})
	}
	text := ""
	for _, message := range said {
		text += message.Content + "\n"
	}
	return t.m.Tokenizer.Encode(nil, text, false), nil
}

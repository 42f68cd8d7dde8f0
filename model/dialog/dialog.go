// Package dialog is a conversation with a model: turns that can be taken back
// or asked again, a context that fills up, and files that a conversation is
// kept in.
package dialog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/chat"
)

// Dialog is a conversation. It is not for concurrent use.
type Dialog struct {
	// Generation says how answers are made. It may be changed between turns.
	Generation model.Generation

	m        *model.Model
	session  *model.Session
	messages []chat.Message
}

// New begins a conversation; system may be empty. Close it after use.
func New(m *model.Model, g model.Generation, system string) (*Dialog, error) {
	s, err := m.NewSession(0)
	if err != nil {
		return nil, err
	}
	d := &Dialog{Generation: g, m: m, session: s}
	d.SetSystem(system)
	return d, nil
}

// Close frees the memory, but for the model's.
func (d *Dialog) Close() error { return d.session.Close() }

// Messages returns the conversation. The system message, if any, comes first.
func (d *Dialog) Messages() []chat.Message { return slices.Clone(d.messages) }

// Stats returns the figures of the latest answer.
func (d *Dialog) Stats() model.Stats { return d.session.Stats() }

// Len is the number of tokens that are in the context, Cap the number there
// is room for.
func (d *Dialog) Len() int { return d.session.Len() }
func (d *Dialog) Cap() int { return d.session.Cap() }

// System returns the system message, or "".
func (d *Dialog) System() string {
	if d.first() == 1 {
		return d.messages[0].Content
	}
	return ""
}

// SetSystem changes the system message; "" removes it.
func (d *Dialog) SetSystem(text string) {
	d.messages = slices.Delete(d.messages, 0, d.first())
	if text != "" {
		d.messages = slices.Insert(d.messages, 0, chat.Message{Role: "system", Content: text})
	}
}

// first is the index of the first message that is not the system's.
func (d *Dialog) first() int {
	if len(d.messages) > 0 && d.messages[0].Role == "system" {
		return 1
	}
	return 0
}

// Clear takes all turns back, but for the system message.
func (d *Dialog) Clear() { d.messages = d.messages[:d.first()] }

// Turns is the number of questions asked.
func (d *Dialog) Turns() (n int) {
	for _, m := range d.messages {
		if m.Role == "user" {
			n++
		}
	}
	return n
}

// Undo takes the last question and its answer back, and returns the question.
func (d *Dialog) Undo() (question string, ok bool) {
	for i := len(d.messages) - 1; i >= 0; i-- {
		if d.messages[i].Role == "user" {
			question = d.messages[i].Content
			d.messages = d.messages[:i]
			return question, true
		}
	}
	return "", false
}

// FullError says that a question does not fit the context beside the turns
// before it. Nothing was dropped.
type FullError struct {
	Need, Room int  // tokens of the conversation with the question, and the context's
	More       bool // there are more than Need
	Reserve    int  // of the room, tokens kept for the answer
	Turns      int  // oldest turns to drop to make it fit; 0 if that is not enough
}

func (e *FullError) Error() string {
	takes := "takes"
	if e.More {
		takes = "takes more than"
	}
	text := fmt.Sprintf("the conversation %s %d tokens with this question, and the context has room for %d (%d of them for the answer)", takes, e.Need, e.Room, e.Reserve)
	if e.Turns == 0 {
		return text + "; ask something shorter, or choose a larger context"
	}
	return fmt.Sprintf("%s; dropping the oldest %s would make it fit", text, english.Plural(e.Turns, "turn", ""))
}

// minAnswer is the number of tokens that there must be room for after a
// question, in contexts that are not tiny.
const minAnswer = 64

func (d *Dialog) reserve() int {
	n := min(minAnswer, d.Cap()/8)
	if m := d.Generation.MaxTokens; m > 0 {
		n = min(n, m)
	}
	return max(n, 1)
}

// Emit takes a piece of an answer. Its reasoning comes first, if there is any,
// with the marks around it (see [chat.Reasoning]).
type Emit func(text string, reasoning bool) error

// Ask asks and calls emit with the answer as it comes. If the question does
// not fit it fails with a [*FullError]. If ctx ends, what was answered so far
// stays as the answer; if nothing was, the question is taken back.
func (d *Dialog) Ask(ctx context.Context, question string, emit Emit) error {
	d.messages = append(d.messages, chat.Message{Role: "user", Content: question})
	prompt, err := d.fit()
	if err == nil {
		err = d.answer(ctx, prompt, emit)
	}
	if d.messages[len(d.messages)-1].Role == "user" {
		d.messages = d.messages[:len(d.messages)-1]
	}
	return err
}

// ErrNothing says that there is no answer to do something with.
var ErrNothing = errors.New("there is no answer yet")

// Again answers the last question anew, with another seed. If ctx ends before
// anything was answered, the old answer stays.
func (d *Dialog) Again(ctx context.Context, emit Emit) error {
	n := len(d.messages)
	if n == 0 || d.messages[n-1].Role != "assistant" {
		return ErrNothing
	}
	old := d.messages[n-1]
	d.messages = d.messages[:n-1]
	d.Generation.Sampling.Seed++
	prompt, err := d.fit()
	if err == nil {
		err = d.answer(ctx, prompt, emit)
	}
	if d.messages[len(d.messages)-1].Role == "user" {
		d.messages = append(d.messages, old)
	}
	return err
}

// room is the number of tokens that a conversation may take before the answer.
func (d *Dialog) room() int { return d.Cap() - d.reserve() }

// prompt returns the tokens of a conversation that is to be answered, and their
// number; of one that is far too long only that; see [model.Model.PromptWithin].
func (d *Dialog) prompt(messages []chat.Message) (ids []int32, need int, err error) {
	return d.m.PromptWithin(chat.Conversation{Messages: messages, AddGenerationPrompt: true}, d.room())
}

// fit returns the tokens of the conversation, or a FullError.
func (d *Dialog) fit() ([]int32, error) {
	prompt, need, err := d.prompt(d.messages)
	if err != nil {
		return nil, err
	}
	if need <= d.room() {
		return prompt, nil
	}
	full := &FullError{Need: need, More: prompt == nil, Room: d.Cap(), Reserve: d.reserve()}
	full.Turns, err = d.surplus()
	if err != nil {
		return nil, err
	}
	return nil, full
}

// surplus returns the fewest of the oldest turns without which the conversation
// fits, or 0 if the last question alone does not. It looks from the end, for
// most of a long conversation may have to go.
func (d *Dialog) surplus() (int, error) {
	first, starts := d.first(), d.starts()
	fits := func(kept int) (bool, error) {
		rest := slices.Concat(d.messages[:first], d.messages[starts[len(starts)-kept]:])
		_, need, err := d.prompt(rest)
		return need <= d.room(), err
	}
	// Of turns to keep, low fit and high do not, or are more than there are.
	low, high := 0, 1
	for high <= len(starts) {
		ok, err := fits(high)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, high = high, 2*high
	}
	high = min(high, len(starts)+1)
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := fits(middle)
		switch {
		case err != nil:
			return 0, err
		case ok:
			low = middle
		default:
			high = middle
		}
	}
	if low == 0 {
		return 0, nil
	}
	return len(starts) - low + 1, nil
}

// starts returns where the turns begin, but for the oldest.
func (d *Dialog) starts() (list []int) {
	for i := d.first() + 1; i < len(d.messages); i++ {
		if d.messages[i].Role == "user" {
			list = append(list, i)
		}
	}
	return list
}

// Drop drops the oldest turns.
func (d *Dialog) Drop(turns int) {
	if starts := d.starts(); turns > len(starts) {
		d.Clear()
	} else if turns > 0 {
		d.messages = slices.Concat(d.messages[:d.first()], d.messages[starts[turns-1]:])
	}
}

// answer appends the answer to the messages.
func (d *Dialog) answer(ctx context.Context, prompt []int32, emit Emit) error {
	var answer strings.Builder
	var failed error
	reasoning := chat.Reasoning{Inside: d.beginsThinking(prompt)}
	for text, err := range d.session.Generate(ctx, prompt, d.Generation) {
		if err == nil {
			answer.WriteString(text)
			err = reasoning.Push(text, emit)
		}
		if failed = err; err != nil {
			break
		}
	}
	if err := reasoning.Flush(emit); failed == nil {
		failed = err
	}
	if failed == nil || answer.Len() > 0 {
		d.messages = append(d.messages, chat.Message{Role: "assistant", Content: answer.String()})
	}
	return failed
}

// beginsThinking reports whether a prompt has the mark before the reasoning, so
// that the answer begins with that.
func (d *Dialog) beginsThinking(prompt []int32) bool {
	const few = 8 // tokens that the mark and a line's end take at most
	tail := d.m.Tokenizer.Decode(prompt[max(0, len(prompt)-few):])
	return strings.HasSuffix(strings.TrimRight(tail, " \n"), chat.ThinkStart)
}

// Save writes the conversation with its keys and values, so that it continues
// at once after [Dialog.Load].
func (d *Dialog) Save(w io.Writer) error {
	messages, err := json.Marshal(d.messages)
	if err != nil {
		return err
	}
	return d.session.Save(w, messages)
}

var errNoConversation = errors.New("the session holds no conversation: it was not saved by a chat")

// Load reads a conversation that Save wrote with the same model. After an
// error the conversation is as before.
func (d *Dialog) Load(r io.Reader) error {
	extra, err := d.session.Load(r)
	if err != nil {
		return err
	}
	var messages []chat.Message
	if err := json.Unmarshal(extra, &messages); err != nil {
		return errNoConversation // what the parser says is of no use here
	}
	for i, m := range messages {
		if m.Role != "user" && m.Role != "assistant" && (m.Role != "system" || i > 0) {
			return fmt.Errorf("message %d of the session has the role %s; expected system (first only), user or assistant", i+1, show.Quoted(m.Role))
		}
	}
	d.messages = messages
	return nil
}

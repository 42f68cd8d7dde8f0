package model

import (
	"errors"
	"math"

	"qgo/gguf"
	"qgo/model/chat"
	"qgo/model/tokenizer"
)

// Template returns the chat template of a file with the tokenizer t: its own,
// or ChatML if it has none.
func Template(f *gguf.File, t *tokenizer.Tokenizer) (*chat.Template, error) {
	source := ""
	if key := "tokenizer.chat_template"; f.Has(key) {
		var err error
		if source, err = gguf.Get[string](f, key); err != nil {
			return nil, err
		}
	}
	return NewTemplate(source, t)
}

// NewTemplate compiles a chat template for the special tokens of t; that of
// [chat.ChatML] if source is empty.
func NewTemplate(source string, t *tokenizer.Tokenizer) (*chat.Template, error) {
	return chat.New(source, chat.Tokens{BOS: t.BOSText(), EOS: t.EOSText()})
}

// SetTemplate sets the chat template in place of that of the file.
func (m *Model) SetTemplate(source string) error {
	t, err := NewTemplate(source, m.Tokenizer)
	if err == nil {
		m.template = t
	}
	return err
}

// Template returns the chat template: that of the file, unless another one was
// set.
func (m *Model) Template() (*chat.Template, error) {
	if m.template == nil {
		t, err := Template(m.File, m.Tokenizer)
		if err != nil {
			return nil, err
		}
		m.template = t
	}
	return m.template, nil
}

// Prompt returns the tokens of a conversation, in the form that the model was
// trained to continue.
func (m *Model) Prompt(c chat.Conversation) ([]int32, error) {
	ids, _, err := m.PromptWithin(c, math.MaxInt)
	return ids, err
}

// PromptWithin is Prompt of a conversation that has room tokens to fit in. need
// is the number of its tokens. One that is so long that it cannot fit is not
// taken apart, for that takes many times its memory: it has no ids then, and
// at least need tokens. See also [tokenizer.Tokenizer.CheckWords].
func (m *Model) PromptWithin(c chat.Conversation, room int) (ids []int32, need int, err error) {
	t, err := m.Template()
	if err != nil {
		return nil, 0, err
	}
	parts, err := t.Parts(c)
	if err != nil {
		return nil, 0, err
	}
	bytes := 0
	for _, p := range parts {
		if err := m.Tokenizer.CheckWords(p.Text); err != nil {
			return nil, 0, err
		}
		bytes += len(p.Text)
	}
	if bytes == 0 {
		return nil, 0, errors.New("the chat template makes no text of the conversation; --chat-template takes another one")
	}
	if need := m.Tokenizer.MinTokens(bytes); need > room {
		return nil, need, nil
	}
	ids = m.Tokenizer.EncodeParts(nil, parts)
	return ids, len(ids), nil
}

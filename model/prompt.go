package model

import (
	"qgo/gguf"
	"qgo/model/chat"
)

// SetTemplate sets the chat template in place of that of the file.
func (m *Model) SetTemplate(source string) error {
	t, err := chat.New(source, m.templateTokens())
	if err == nil {
		m.template = t
	}
	return err
}

// Template returns the chat template: that of the file, or ChatML if it has
// none, unless another one was set.
func (m *Model) Template() (*chat.Template, error) {
	if m.template != nil {
		return m.template, nil
	}
	source := ""
	if key := "tokenizer.chat_template"; m.File.Has(key) {
		var err error
		if source, err = gguf.Get[string](m.File, key); err != nil {
			return nil, err
		}
	}
	if err := m.SetTemplate(source); err != nil {
		return nil, err
	}
	return m.template, nil
}

func (m *Model) templateTokens() chat.Tokens {
	return chat.Tokens{BOS: m.Tokenizer.BOSText(), EOS: m.Tokenizer.EOSText()}
}

// Prompt returns the tokens of a conversation, in the form that the model was
// trained to continue.
func (m *Model) Prompt(c chat.Conversation) ([]int32, error) {
	t, err := m.Template()
	if err != nil {
		return nil, err
	}
	parts, err := t.Parts(c)
	if err != nil {
		return nil, err
	}
	return m.Tokenizer.EncodeParts(nil, parts), nil
}

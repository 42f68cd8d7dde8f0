// Package chat turns conversations into the text that a chat model was
// trained to continue, by the Jinja template that its file carries.
package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"qgo/gguf/show"
	"qgo/model/chat/jinja"
	"qgo/model/tokenizer"
)

// ChatML is the template of models whose file has none (OpenAI's chat markup
// language, in which Qwen models are trained).
const ChatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}` +
	`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// Message is one turn of a conversation. The JSON names are those of the
// OpenAI API.
type Message struct {
	Role      string     `json:"role"` // system, user, assistant or tool
	Content   string     `json:"content"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
}

// ToolCall is a call that the assistant asks for.
type ToolCall struct {
	Function Function `json:"function"`
}

// Function is the name of a tool and its arguments, a JSON object whose order
// of keys is kept.
type Function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Conversation is what a template renders.
type Conversation struct {
	Messages []Message `json:"messages"`
	// Tools describes the tools that the assistant may call, one JSON object
	// each.
	Tools []json.RawMessage `json:"tools,omitempty"`
	// AddGenerationPrompt ends the text with the start of an answer.
	AddGenerationPrompt bool `json:"add_generation_prompt"`
}

// Tokens are the texts of the special tokens that templates write by name.
type Tokens struct{ BOS, EOS string }

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	tokens Tokens
	parsed *jinja.Template
}

// New compiles a template; that of [ChatML] if source is empty. The error says
// in which line of the template the mistake is.
func New(source string, tokens Tokens) (*Template, error) {
	if source == "" {
		source = ChatML
	}
	parsed, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("the chat template is not valid: %w", shown(err))
	}
	return &Template{tokens, parsed}, nil
}

// shownError is an error with a text that is fit to be shown, for it may quote
// the template.
type shownError struct {
	error
	text string
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.error }

// maxError is the number of characters of an error that are shown.
const maxError = 300

func shown(err error) error {
	text := []rune(show.Lines(strings.ReplaceAll(err.Error(), "\n", " ")))
	if len(text) > maxError {
		text = append(text[:maxError], '…')
	}
	return &shownError{err, string(text)}
}

// Parts renders a conversation for [tokenizer.Tokenizer.EncodeParts]: special
// tokens count where the template writes them, and are plain text where a
// message does.
func (t *Template) Parts(c Conversation) ([]tokenizer.Part, error) {
	vars, err := variables(c)
	if err != nil {
		return nil, err
	}
	return t.parts(vars)
}

// PartsJSON is Parts of a conversation in JSON: an object with the variables of
// the template, of which messages must be there. Messages may have any keys.
func (t *Template) PartsJSON(conversation []byte) ([]tokenizer.Part, error) {
	v, err := jinja.FromJSON(conversation)
	if err != nil {
		return nil, fmt.Errorf("the conversation %w", err)
	}
	vars, ok := v.(*jinja.Dict)
	if !ok || !vars.Has("messages") {
		return nil, errors.New(`the conversation is not a JSON object with "messages"`)
	}
	return t.parts(vars)
}

// Render returns the text of a conversation.
func (t *Template) Render(c Conversation) (string, error) {
	parts, err := t.Parts(c)
	return Text(parts), err
}

// Text joins parts.
func Text(parts []tokenizer.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// parts renders a conversation with the variables that Hugging Face's
// apply_chat_template gives.
func (t *Template) parts(vars *jinja.Dict) ([]tokenizer.Part, error) {
	for _, name := range []string{"tools", "documents"} {
		if !vars.Has(name) {
			vars.Set(name, nil)
		}
	}
	if !vars.Has("add_generation_prompt") {
		vars.Set("add_generation_prompt", false)
	}
	vars.Set("bos_token", jinja.Own(t.tokens.BOS))
	vars.Set("eos_token", jinja.Own(t.tokens.EOS))
	rendered, err := t.parsed.Render(vars)
	var failed *jinja.Error
	if errors.As(err, &failed) && errors.Is(err, jinja.ErrRaised) {
		return nil, shown(failed.Err) // its line matters to nobody
	}
	if err != nil {
		return nil, fmt.Errorf("the chat template failed: %w", shown(err))
	}
	parts := make([]tokenizer.Part, len(rendered))
	for i, p := range rendered {
		parts[i] = tokenizer.Part{Text: p.Text, Special: !p.Foreign}
	}
	return parts, nil
}

// variables returns a conversation as a template sees it.
func variables(c Conversation) (*jinja.Dict, error) {
	if len(c.Messages) == 0 {
		return nil, errors.New("the conversation has no messages")
	}
	vars := jinja.NewDict()
	var messages []jinja.Value
	for i, m := range c.Messages {
		message, err := messageValue(m)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		messages = append(messages, message)
	}
	vars.Set("messages", jinja.List(messages...))
	vars.Set("add_generation_prompt", c.AddGenerationPrompt)
	if len(c.Tools) > 0 {
		var tools []jinja.Value
		for i, raw := range c.Tools {
			tool, err := jinja.FromJSON(raw)
			if err != nil {
				return nil, fmt.Errorf("tool %d: %w", i+1, err)
			}
			tools = append(tools, tool)
		}
		vars.Set("tools", jinja.List(tools...))
	}
	return vars, nil
}

func messageValue(m Message) (jinja.Value, error) {
	message := jinja.NewDict()
	message.Set("role", jinja.Text(m.Role))
	message.Set("content", jinja.Text(m.Content))
	var calls []jinja.Value
	for _, c := range m.ToolCalls {
		arguments, err := jinja.FromJSON(c.Function.Arguments)
		if err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", show.Text(c.Function.Name), err)
		}
		function := jinja.NewDict()
		function.Set("name", jinja.Text(c.Function.Name))
		function.Set("arguments", arguments)
		call := jinja.NewDict()
		call.Set("type", jinja.Text("function"))
		call.Set("function", function)
		calls = append(calls, call)
	}
	if calls != nil {
		message.Set("tool_calls", jinja.List(calls...))
	}
	return message, nil
}

// TakesSystem reports whether conversations may begin with a system message:
// some templates refuse that role.
func (t *Template) TakesSystem() bool {
	user := Message{Role: "user", Content: "Hi"}
	_, err := t.Parts(Conversation{Messages: []Message{{Role: "system", Content: "Hi"}, user}, AddGenerationPrompt: true})
	if err == nil {
		return true
	}
	_, err = t.Parts(Conversation{Messages: []Message{user}, AddGenerationPrompt: true})
	return err != nil // then something else is wrong
}

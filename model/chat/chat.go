// Package chat turns conversations into the text that a chat model was
// trained to continue, by the Jinja template that its file carries.
package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"

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

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	source  string
	special []string
	env     *exec.Environment
	config  *config.Config
}

// New compiles a template; that of [ChatML] if source is empty. special lists
// the texts of the tokenizer's special tokens, which the messages must not
// forge.
func New(source string, special []string) (*Template, error) {
	if source == "" {
		source = ChatML
	}
	t := &Template{source: source, special: special, config: config.New()}
	// As Hugging Face's apply_chat_template sets them.
	t.config.TrimBlocks = true
	t.config.LeftStripBlocks = true
	t.env = &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters:           exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters),
		Tests:             builtins.Tests,
		ControlStructures: builtins.ControlStructures,
		Methods:           builtins.Methods,
	}
	if err := t.env.Filters.Replace("tojson", t.toJSON); err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	if _, err := t.compile(); err != nil {
		return nil, err
	}
	return t, nil
}

// compile parses the template. It gets no file system: a template cannot
// include files.
func (t *Template) compile() (*exec.Template, error) {
	const name = "/chat_template"
	loader, err := loaders.NewMemoryLoader(map[string]string{name: t.source})
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	var tpl *exec.Template
	err = recovered(func() (err error) {
		tpl, err = exec.NewTemplate(name, t.config, loader, t.env)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("chat: the model's template is not valid Jinja: %w", err)
	}
	return tpl, nil
}

// recovered turns a panic in f into an error: a template from a file may do
// what its engine did not foresee.
func recovered(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the template engine failed: %v", r)
		}
	}()
	return f()
}

// Parts renders a conversation for [tokenizer.Tokenizer.EncodeParts]: special
// tokens count where the template writes them, and are plain text where a
// message does.
func (t *Template) Parts(c Conversation) ([]tokenizer.Part, error) {
	text, err := t.render(c)
	if err != nil {
		return nil, err
	}
	return unguard(text), nil
}

// Render returns the text of a conversation.
func (t *Template) Render(c Conversation) (string, error) {
	parts, err := t.Parts(c)
	if err != nil {
		return "", err
	}
	text := ""
	for _, p := range parts {
		text += p.Text
	}
	return text, nil
}

func (t *Template) render(c Conversation) (text string, err error) {
	if len(c.Messages) == 0 {
		return "", errors.New("chat: the conversation has no messages")
	}
	data := map[string]any{"add_generation_prompt": c.AddGenerationPrompt}
	var messages []any
	for i, m := range c.Messages {
		message, err := t.message(m)
		if err != nil {
			return "", fmt.Errorf("chat: message %d: %w", i+1, err)
		}
		messages = append(messages, message)
	}
	data["messages"] = messages
	if len(c.Tools) > 0 {
		tools := make([]any, len(c.Tools))
		for i, raw := range c.Tools {
			if tools[i], err = t.decode(raw); err != nil {
				return "", fmt.Errorf("chat: tool %d: %w", i+1, err)
			}
		}
		data["tools"] = tools
	}
	data["raise_exception"] = func(message string) (string, error) { return "", errors.New(message) }
	data["strftime_now"] = func(string) string { return time.Now().Format("2006-01-02") }
	tpl, err := t.compile()
	if err != nil {
		return "", err
	}
	err = recovered(func() (err error) {
		text, err = tpl.ExecuteToString(exec.NewContext(data))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("chat: the model's template failed: %w", err)
	}
	return text, nil
}

func (t *Template) message(m Message) (map[string]any, error) {
	message := map[string]any{"role": t.guard(m.Role), "content": t.guard(m.Content)}
	var calls []any
	for _, call := range m.ToolCalls {
		arguments, err := t.decode(call.Function.Arguments)
		if err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", call.Function.Name, err)
		}
		calls = append(calls, map[string]any{
			"type":     "function",
			"function": map[string]any{"name": t.guard(call.Function.Name), "arguments": arguments},
		})
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	return message, nil
}

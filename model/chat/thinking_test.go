package chat

import (
	"encoding/json"
	"strings"
	"testing"

	"qgo/testdata"
)

func thinking(t *testing.T) *Template {
	t.Helper()
	return must(t, string(testdata.Read(t, "tokenizer", "thinking-chat-template.jinja")))
}

// TestThinking renders with a template that thinks as Qwen3's does what jinja2
// rendered: with and without thinking, with thoughts in messages and beside
// them, before and after the last question, and between calls of tools.
func TestThinking(t *testing.T) {
	tpl := thinking(t)
	var cases []struct {
		Input    json.RawMessage
		Expected string
	}
	if err := json.Unmarshal(testdata.Read(t, "tokenizer", "thinking-chat-rendered.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 13 {
		t.Errorf("%d cases, want 13", len(cases))
	}
	for i, c := range cases {
		parts, err := tpl.PartsJSON(c.Input)
		if got := Text(parts); err != nil || got != c.Expected {
			t.Errorf("case %d: %v\ngot  %q\nwant %q", i, err, got, c.Expected)
		}
	}
	if !tpl.TakesSystem() {
		t.Error("it takes no system message")
	}
}

// TestThinkingParts looks at who wrote the marks of thoughts: those around an
// answer's thoughts are the template's, whoever wrote them first, and those in a
// question are text.
func TestThinkingParts(t *testing.T) {
	tpl := thinking(t)
	const marks = "<think>\n\n</think>\n\n" // thoughts, if any, stand between them
	for _, in := range []string{
		`{"messages":[{"role":"user","content":"a</think>b"}],"add_generation_prompt":true,"enable_thinking":false}`,
		`{"messages":[{"role":"user","content":"a</think>b"},{"role":"assistant","content":"<think>\nc\n</think>\n\nd"}]}`,
	} {
		parts, err := tpl.PartsJSON([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		var own, foreign strings.Builder
		for _, p := range parts {
			b := &foreign
			if p.Special {
				b = &own
			}
			b.WriteString(p.Text)
		}
		if !strings.Contains(own.String(), marks) || strings.Count(own.String(), "think>") != 2 || !strings.Contains(foreign.String(), "a</think>b") {
			t.Errorf("%s: the template's own text is %q, that of messages %q", in, own.String(), foreign.String())
		}
	}
}

// TestThinkingTurns is a chat as a program leads it: the answer goes into the
// conversation with its thoughts, which the prompt of the next turn leaves out.
func TestThinkingTurns(t *testing.T) {
	tpl := thinking(t)
	c := user("1+1?")
	const answer = "<think>\nEasy.\n</think>\n\n2"
	first, err := tpl.Render(c)
	if want := "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"; err != nil || first != want {
		t.Fatalf("the first prompt is %q, %v", first, err)
	}
	var thoughts, said string
	r := Reasoning{Inside: strings.HasSuffix(strings.TrimSpace(first), ThinkStart)}
	emit := func(text string, reasoning bool) error {
		if reasoning {
			thoughts += text
		} else {
			said += text
		}
		return nil
	}
	if err := r.Push(answer, emit); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(emit); err != nil || thoughts != "<think>\nEasy.\n</think>" || said != "\n\n2" {
		t.Errorf("thoughts %q, answer %q, %v", thoughts, said, err)
	}
	c.Messages = append(c.Messages, Message{Role: "assistant", Content: answer}, Message{Role: "user", Content: "2+2?"})
	second, err := tpl.Render(c)
	if want := first + "2<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"; err != nil || second != want {
		t.Errorf("the second prompt is %q, %v; want %q", second, err, want)
	}
}

package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"qgo/model/demo"
	"qgo/model/tokenizer"
	"qgo/testdata"
)

var special = []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>"}

func must(t testing.TB, source string) *Template {
	t.Helper()
	tpl, err := New(source, special)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// TestQwen renders with the published template what jinja2 rendered.
func TestQwen(t *testing.T) {
	tpl := must(t, string(testdata.Read(t, "tokenizer", "qwen2.5-chat-template.jinja")))
	var cases []struct {
		Input    Conversation
		Expected string
	}
	if err := json.Unmarshal(testdata.Read(t, "tokenizer", "qwen2.5-chat-rendered.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 7 {
		t.Errorf("%d cases, want 7", len(cases))
	}
	for i, c := range cases {
		if got, err := tpl.Render(c.Input); err != nil || got != c.Expected {
			t.Errorf("case %d: %v\ngot  %q\nwant %q", i, err, got, c.Expected)
		}
	}
}

func user(content string) Conversation {
	return Conversation{Messages: []Message{{Role: "user", Content: content}}, AddGenerationPrompt: true}
}

func TestChatML(t *testing.T) {
	got, err := must(t, "").Render(user("Hi <b> & \"you\""))
	if want := "<|im_start|>user\nHi <b> & \"you\"<|im_end|>\n<|im_start|>assistant\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestForgery puts special tokens into messages in every way: the tokenizer
// must see none but the template's own.
func TestForgery(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := New("", tok.Specials())
	if err != nil {
		t.Fatal(err)
	}
	end, _ := tok.Special("<|im_end|>")
	for _, content := range []string{
		"<|im_end|>", "a<|im_end|>b<|im_end|>", "<<|im_end|>", "<|im_end|", "<|im_<|im_end|>end|>", "<|im_" + breakMark + "end|>", "<",
		"|im_end|>", "\u00e9<|im_end|>\u00e9", "\xff<|im_end|>",
	} {
		parts, err := tpl.Parts(user(content))
		if err != nil {
			t.Fatal(err)
		}
		ids := tok.EncodeParts(nil, parts)
		count := 0
		for _, id := range ids {
			if id == end {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%q: %d end tokens in %v, want the template's one", content, count, ids)
		}
		text := strings.ReplaceAll(content, breakMark, "\uFFFD")
		want := "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n"
		if got, _ := tpl.Render(user(content)); got != want {
			t.Errorf("%q is rendered as %q", content, got)
		}
	}
	// Text at the seams, which only the template completes.
	seam := must(t, "<|im_{{ messages[0].content }}|>")
	for _, content := range []string{"end|>", "end"} {
		parts, err := seam.Parts(user(content))
		if err != nil {
			t.Fatal(err)
		}
		if content == "end|>" && slices.Contains(tok.EncodeParts(nil, parts), end) {
			t.Errorf("%q completed a special token", content)
		}
	}
}

func TestBadTemplates(t *testing.T) {
	if _, err := New("{% if %}", nil); err == nil || !strings.Contains(err.Error(), "not valid Jinja") {
		t.Errorf("a template with a mistake: %v", err)
	}
	for want, source := range map[string]string{
		"only users": "{{ raise_exception('only users may speak') }}",
		"failed":     "{% include '/etc/passwd' %}",
	} {
		tpl, err := New(source, nil)
		if err == nil {
			_, err = tpl.Render(user("x"))
		}
		if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "not valid") {
			t.Errorf("%s: error %v, want one with %q", source, err, want)
		}
	}
	tpl := must(t, "")
	if _, err := tpl.Render(Conversation{}); err == nil {
		t.Error("a conversation without messages was rendered")
	}
	bad := user("x")
	bad.Tools = []json.RawMessage{json.RawMessage("{")}
	if _, err := tpl.Render(bad); err == nil || !strings.Contains(err.Error(), "tool 1") {
		t.Errorf("a broken tool: %v", err)
	}
}

func TestJSON(t *testing.T) {
	tpl := must(t, "{{ tools[0] | tojson }}")
	for in, want := range map[string]string{
		`{"b":1,"a":[true,false,null]}`: `{"b": 1, "a": [true, false, null]}`,
		`{"x":1.0,"y":1e20,"z":-0.5}`:   `{"x": 1.0, "y": 1e+20, "z": -0.5}`,
		`{"s":"ü<>&'\"\\\n\u0001"}`:     `{"s": "ü<>&'\"\\\n\u0001"}`,
		`{"e":{},"l":[]}`:               `{"e": {}, "l": []}`,
	} {
		c := user("x")
		c.Tools = []json.RawMessage{json.RawMessage(in)}
		if got, err := tpl.Render(c); err != nil || got != want {
			t.Errorf("%s became %s, %v, want %s", in, got, err, want)
		}
	}
}

func ExampleTemplate_Render() {
	tpl, err := New(ChatML, []string{"<|im_start|>", "<|im_end|>"})
	if err != nil {
		panic(err)
	}
	text, err := tpl.Render(Conversation{
		Messages:            []Message{{Role: "user", Content: "Hello"}},
		AddGenerationPrompt: true,
	})
	fmt.Printf("%q %v\n", text, err)
	// Output: "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n" <nil>
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/gguf/gguftest"
	"qgo/model/demo"
	"qgo/model/tokenizer"
)

// textFile writes a file and returns its path.
func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const template = "tokenizer.chat_template"

func TestRender(t *testing.T) {
	const conversation = `{"messages": [{"role": "user", "content": "Hi <|im_end|>", "name": "me"}], "add_generation_prompt": true, "extra": [1]}`
	file := textFile(t, "c.json", conversation)
	jinja := textFile(t, "t.jinja", "{{ bos_token }}{{ messages[0].name }}{{ extra }}{{ eos_token }}")
	const chatML = "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"
	for want, args := range map[string][]string{
		chatML:                              {"render", "--chat-template", "chatml", file},
		"<|endoftext|>me[1]<|im_end|>":      {"render", "--chat-template", jinja, file},
		"<|endoftext|>me[1]<|im_end|> dash": {"render", "--chat-template", textFile(t, "d.jinja", "{{ bos_token }}{{ messages[0].name }}{{ extra }}{{ eos_token }} dash"), "-"},
	} {
		if got := succeed(t, conversation, args...); got != want {
			t.Errorf("%q: got %q, expected %q", args, got, want)
		}
	}
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	if err := json.Unmarshal([]byte(succeed(t, "", "render", "--chat-template", "chatml", "--ids", file)), &ids); err != nil {
		t.Fatal(err)
	}
	end, _ := tok.Special("<|im_end|>")
	n := 0
	for _, id := range ids {
		if id == end {
			n++
		}
	}
	if tok.Decode(ids) != chatML || n != 1 {
		t.Errorf("ids %v are %q, and %d of them end a turn", ids, tok.Decode(ids), n)
	}
}

// TestRenderAddsBOS: a model that wants BOS gets it once, whether its template
// writes it or not.
func TestRenderAddsBOS(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"{{ messages[0].content }}", "{{ bos_token }}{{ messages[0].content }}"} {
		path := oddFile(t, gguftest.Set(template, source), gguftest.Set("tokenizer.ggml.add_bos_token", true))
		var ids []int32
		out := succeed(t, `{"messages": [{"role": "user", "content": "Hi"}]}`, "render", "--model", path, "--ids", "-")
		if err := json.Unmarshal([]byte(out), &ids); err != nil {
			t.Fatal(err)
		}
		if len(ids) < 2 || ids[0] != tok.BOS() || ids[1] == tok.BOS() {
			t.Errorf("%s: ids %v", source, ids)
		}
	}
}

// TestTemplateFaults: what is wrong with a template is one line that says
// where, and what to do.
func TestTemplateFaults(t *testing.T) {
	conversation := textFile(t, "c.json", `{"messages": [{"role": "user", "content": "Hi"}]}`)
	for source, want := range map[string]string{
		"\n{% if %}":    "the chat template is not valid: line 2: ",
		"a\nb{{ x.y }}": "the chat template failed: line 2: x is undefined; --chat-template takes another one",
		"{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}": "stopped",
		"{% macro f(x) %}{{ f(x + 1) }}{% endmacro %}{{ f(0) }}":                          "levels deep",
		"{{ raise_exception('\x1b[2Jno') }}":                                              "the template refuses the conversation: ",
	} {
		path := oddFile(t, gguftest.Set(template, source))
		for _, args := range [][]string{
			{"chat", "--model", path, "-p", "Hi"},
			{"render", "--model", path, conversation},
			{"render", "--chat-template", textFile(t, "t.jinja", source), conversation},
		} {
			code, out, errOut := qgo("", args...)
			_, line, _ := strings.Cut(errOut, "qgo: ")
			if code != 1 || out != "" || !strings.Contains(line, want) || strings.Count(line, "\n") != 1 || strings.Contains(errOut, "\x1b") {
				t.Errorf("%q %q: exit %d, out %q, error %q", source, args[0], code, out, errOut)
			}
		}
	}
	for want, args := range map[string][]string{
		"cannot be read":          {"render", "--chat-template", "/nowhere.jinja", conversation},
		"did you mean chatml?":    {"render", "--chat-template", "chatm", conversation},
		"is empty":                {"render", "--chat-template", textFile(t, "e.jinja", ""), conversation},
		"not valid JSON: it ends": {"render", textFile(t, "x.json", "{")},
		`"messages"`:              {"render", textFile(t, "y.json", "{}")},
	} {
		if code, _, errOut := qgo("", args...); code != 1 || !strings.Contains(errOut, want) {
			t.Errorf("%q: exit %d, %s", args, code, errOut)
		}
	}
}

// TestVerifyTemplate: what chat could not use is noted.
func TestVerifyTemplate(t *testing.T) {
	for source, want := range map[string]string{
		"{% if %}":   "the chat template is not valid: line 1: ",
		"{{ x.y }}":  "the chat template failed: line 1: x is undefined: chat needs --chat-template",
		" ":          "",
		"{# none #}": "the chat template makes no text of a question: chat needs",
	} {
		path := oddFile(t, gguftest.Set(template, source))
		out := succeed(t, "", "verify", path)
		if want != "" && !strings.Contains(out, want) || want == "" && strings.Contains(out, "template") {
			t.Errorf("%q: %s", source, out)
		}
	}
	code, _, errOut := qgo("", "chat", "--model", oddFile(t, gguftest.Set(template, "{# none #}")), "-p", "Hi")
	if code != 1 || !strings.Contains(errOut, "the chat template makes no text of the conversation; --chat-template takes another one") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

// TestSystemRefused: where a template takes no system message there is none
// unless one is asked for.
func TestSystemRefused(t *testing.T) {
	path := oddFile(t, gguftest.Set(template, "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"+
		"{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"))
	if out := succeed(t, "", "chat", "--model", path, "-p", "What does strings.ToUpper do?"); out == "" {
		t.Error("no answer")
	}
	code, _, errOut := qgo("", "chat", "--model", path, "-p", "Hi", "--system", "Be brief.")
	if code != 1 || !strings.Contains(errOut, "qgo: the template refuses the conversation: System role not supported\n") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

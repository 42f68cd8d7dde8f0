package jinja

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"qgo/testdata"
)

// outside is a character of the message that no template of the corpus writes.
const outside = "\ue000"

// FuzzTemplate renders a conversation with any template: there is an error or
// a text, soon, and what a message says never counts as the template's own.
func FuzzTemplate(f *testing.F) {
	f.Add("{% for m in messages %}{{ m.role + m['content'] }}{% endfor %}", "Hi")
	f.Add(string(testdata.Read(f, "tokenizer", "qwen2.5-chat-template.jinja")), "<|im_end|>")
	f.Add(`{% set ns = namespace(x=1) %}{% for m in messages[::-1] %}{{ loop.index0 ~ m.content|trim|upper }}{% endfor %}`, "a")
	f.Add(`{% macro f(x) %}{{ x|tojson(indent=2) }}{% endmacro %}{{ f(messages) }}{{ raise_exception("no") }}`, "b")
	f.Add(`{{ "a" if messages is defined else "b" }}{{ messages[0]["role"][1:] }}`, "c")
	f.Add(`{{ '%s'|format(messages[0].content).split(' ')|sort|join('-')|replace('x', messages)|e|indent(2) }}`, "a b")
	f.Fuzz(func(t *testing.T, source, content string) {
		message := NewDict()
		message.Set("role", Own("user"))
		message.Set("content", Text(outside+content+outside))
		vars := variables(t, "{}")
		vars.Set("messages", List(message))
		tpl, err := Parse(source)
		var parts []Part
		if err == nil {
			parts, err = tpl.Render(vars)
		}
		if errors.Is(err, errInternal) || err != nil && parts != nil {
			t.Errorf("%v beside the error %v", parts, err)
		}
		// A template can write it too, or make it of its number with %c.
		written := strings.Contains(source, outside) || strings.Contains(strings.ToLower(source), "e000") || regexp.MustCompile(`%[^%]*c`).MatchString(source)
		for _, p := range parts {
			if !p.Foreign && !written && strings.Contains(p.Text, outside) {
				t.Errorf("text of the message counts as the template's: %q", p.Text)
			}
		}
	})
}

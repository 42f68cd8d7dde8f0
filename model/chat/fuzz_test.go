package chat

import (
	"regexp"
	"strings"
	"testing"

	"qgo/testdata"
)

// large finds what makes a short template compute for long: numbers to count to
// or to repeat a text by, and powers.
var large = regexp.MustCompile(`\d{4}|\*\*|\d[eE]`)

// FuzzTemplate renders a conversation with any template: an error or a text,
// and never a mark of those that guard the messages.
func FuzzTemplate(f *testing.F) {
	f.Add(ChatML, "Hi")
	f.Add(string(testdata.Read(f, "tokenizer", "qwen2.5-chat-template.jinja")), "<|im_end|>")
	f.Add(`{% set ns = namespace(x=1) %}{% for m in messages[::-1] %}{{ loop.index0 ~ m.content|trim|upper }}{% endfor %}`, "a")
	f.Add(`{% macro f(x) %}{{ x|tojson(indent=2) }}{% endmacro %}{{ f(messages) }}{{ raise_exception("no") }}`, "b")
	f.Add(`{{ "a" if messages is defined else "b" }}{{ messages[0]["role"][1:] }}`, "c")
	f.Fuzz(func(t *testing.T, source, content string) {
		if len(source) > 4096 || large.MatchString(source) {
			return // the engine puts no bound on what a template computes
		}
		tpl, err := New(source, special)
		if err != nil {
			return
		}
		c := user(content)
		text, err := tpl.Render(c)
		if err != nil && text != "" {
			t.Errorf("%q beside the error %v", text, err)
		}
		if strings.Contains(text, breakMark) && !strings.Contains(source+content, breakMark) {
			t.Errorf("the text has a mark: %q", text)
		}
	})
}

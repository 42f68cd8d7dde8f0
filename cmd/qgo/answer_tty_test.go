//go:build unix

package main

import (
	"strings"
	"testing"

	"qgo/gguf/gguftest"
)

// TestReasoningIsDimmed: a terminal that can shows reasoning in faint letters,
// and its own afterwards; others get the text as it is.
func TestReasoningIsDimmed(t *testing.T) {
	const source = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
	thinks := oddFile(t, gguftest.Set(template, source+"<think>\n"))
	answers := oddFile(t, gguftest.Set(template, source))
	for _, c := range []struct {
		path, term string
		dimmed     bool
	}{{thinks, "xterm", true}, {thinks, "dumb", false}, {answers, "xterm", false}} {
		console := start(t, []string{"TERM=" + c.term}, "chat", "--model", c.path, "-p", "What does strings.ToUpper do?", "-n", "8", "--temp", "0")
		<-console.done
		raw := console.raw()
		_, after, dimmed := strings.Cut(raw, faint)
		text, _, undimmed := strings.Cut(after, normal)
		if dimmed != c.dimmed || undimmed != c.dimmed || c.dimmed && len(text) < 8 || len(console.text()) < 8 {
			t.Errorf("%s: wrote %q", c.term, raw)
		}
	}
	const conversation = "What does strings.ToUpper do?"
	out := succeed(t, conversation, "chat", "--model", thinks, "-o", "json", "-n", "8")
	if !strings.Contains(out, `"answer": ""`) || !strings.Contains(out, `"reasoning": "`) {
		t.Errorf("JSON %s", out)
	}
}

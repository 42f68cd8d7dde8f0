package texts

import (
	"strings"
	"testing"
)

// TestKinds wants answers that repeat of their prompts what their names say.
func TestKinds(t *testing.T) {
	kinds := map[string]Kind{}
	for _, k := range Kinds() {
		kinds[k.Name] = k
		if len(k.Prompt) < 30 || len(k.Answer) < 1500 {
			t.Errorf("%s: a prompt of %d bytes and an answer of %d", k.Name, len(k.Prompt), len(k.Answer))
		}
	}
	if len(kinds) != 4 {
		t.Errorf("%d kinds", len(kinds))
	}
	if edit := kinds["edit"].Answer; strings.Contains(edit, "window") || !strings.Contains(edit, "func (h *history) add(id int32) {") {
		t.Errorf("edited:\n%s", edit)
	}
	for line := range strings.Lines(kinds["unrelated"].Answer) {
		if len(line) > 40 && strings.Contains(kinds["unrelated"].Prompt, line) {
			t.Errorf("in both texts: %s", line)
		}
	}
	const want = "2. The text says that \"second paragraph\", which is a point of its own.\n"
	if got := Quotes("# Heading\n\nsecond paragraph. It goes on.\n\nthird"); !strings.Contains(got, want) || strings.Count(got, "\n") != 3 {
		t.Errorf("quoted:\n%s", got)
	}
}

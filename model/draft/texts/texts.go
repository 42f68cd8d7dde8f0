// Package texts has prompts with answers that are given: kinds of text by which it is
// measured what guesses of how a text goes on are worth.
package texts

import (
	_ "embed"
	"fmt"
	"strings"
)

// Kind is a prompt and the answer that is taken to be a model's.
type Kind struct{ Name, Prompt, Answer string }

//go:embed code.txt
var code string // a file of Go

//go:embed article.txt
var article string

//go:embed other.txt
var other string // about something else than the article

// Kinds are the kinds of text, from those that repeat the most of their prompts.
func Kinds() []Kind {
	renamed := strings.NewReplacer("(w *window)", "(h *history)", "newWindow", "newHistory", "window", "history", "w.", "h.").Replace(code)
	return []Kind{
		{"edit", "Call the window a history.\n" + code, renamed},
		{"quotes", "Sum this up, and quote it.\n" + article, Quotes(article)},
		{"new code", "Write code that takes part in a text.\n", code},
		{"unrelated", "Tell me about the roofline.\n" + article, other},
	}
}

// Quotes sums a text up by the first sentence of each paragraph.
func Quotes(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		sentence, _, _ := strings.Cut(paragraph, ". ")
		fmt.Fprintf(&b, "%d. The text says that \"%s\", which is a point of its own.\n", i+1, sentence)
	}
	return b.String()
}

// Questions are asked one after the other, to hear how a model writes by itself. The
// demonstration model knows the answers.
var Questions = []string{
	"What does strings.ToUpper do?",
	"What does strings.ToLower do?",
	"What does bytes.ToUpper do?",
	"What does strings.TrimSpace do?",
	"What does strings.Split do?",
	"What does bytes.Split do?",
	"What does os.ReadFile do?",
	"What does os.WriteFile do?",
}

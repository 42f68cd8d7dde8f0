package model

import (
	"context"
	"strings"
	"testing"

	"qgo/model/chat"
	"qgo/model/sample"
)

func generate(t testing.TB, s *Session, prompt []int32, g Generation) string {
	t.Helper()
	var b strings.Builder
	for piece, err := range s.Generate(context.Background(), prompt, g) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(piece)
	}
	return b.String()
}

func TestSession(t *testing.T) {
	m := tiny(t, Options{})
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	question := func(text string) []int32 {
		ids, err := m.Prompt(chat.Conversation{Messages: []chat.Message{{Role: "user", Content: text}}, AddGenerationPrompt: true})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	prompt := question("What does strings.ToUpper do?")
	answer := generate(t, s, prompt, Generation{})
	if !strings.Contains(answer, "upper case") || s.Stats().End != EndOfText {
		t.Errorf("answer %q, end %q", answer, s.Stats().End)
	}
	if again := generate(t, s, prompt, Generation{}); again != answer || s.Stats().Reused != len(prompt)-1 {
		t.Errorf("again: %q with %d of %d tokens reused", again, s.Stats().Reused, len(prompt))
	}
	if cut := generate(t, s, prompt, Generation{MaxTokens: 3}); !strings.HasPrefix(answer, cut) || s.Stats().Generated != 3 || s.Stats().End != LengthLimit {
		t.Errorf("3 tokens: %q, stats %+v", cut, s.Stats())
	}
	if cut := generate(t, s, prompt, Generation{Stop: []string{"upper"}}); cut != answer[:strings.Index(answer, "upper")] || s.Stats().End != StopText {
		t.Errorf("stopped at %q: %q, end %q", "upper", cut, s.Stats().End)
	}
	warm := Generation{Sampling: sample.Params{Temperature: 1.5, Seed: 7}, MaxTokens: 40, IgnoreEOG: true}
	if a, b := generate(t, s, prompt, warm), generate(t, s, prompt, warm); a != b {
		t.Errorf("one seed, two texts: %q and %q", a, b)
	}
	small, err := m.NewSession(len(prompt) + 4)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if generate(t, small, prompt, Generation{IgnoreEOG: true}); small.Stats().End != ContextFull || small.Stats().Generated != 5 {
		t.Errorf("full context: %+v", small.Stats())
	}
	for _, err := range small.Generate(context.Background(), append(prompt, prompt...), Generation{}) {
		if err == nil {
			t.Error("a prompt that does not fit: no error")
		}
	}
}

package dialog

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/demo"
)

// load returns the demonstration model with room for ctx tokens.
func load(t *testing.T, ctx int) *model.Model {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Context: ctx})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func begin(t *testing.T, m *model.Model, g model.Generation) *Dialog {
	t.Helper()
	d, err := New(m, g, "You are a helpful assistant.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

const (
	question = "What does strings.ToUpper do?"
	answer   = "ToUpper returns s with all Unicode letters mapped to their upper case."
)

// ask returns the answer.
func ask(t *testing.T, d *Dialog, question string) string {
	t.Helper()
	var b strings.Builder
	if err := d.Ask(context.Background(), question, func(s string, _ bool) error { b.WriteString(s); return nil }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func roles(d *Dialog) (s string) {
	for _, m := range d.Messages() {
		s += m.Role[:1]
	}
	return s
}

func TestTurns(t *testing.T) {
	d := begin(t, load(t, 1024), model.Generation{})
	if got := ask(t, d, question); got != answer {
		t.Errorf("answer %q, want %q", got, answer)
	}
	n := d.Len()
	ask(t, d, "What does strings.ToLower do?")
	if reused := d.Stats().Reused; reused < n-2 {
		t.Errorf("the second turn reused %d tokens, want about %d", reused, n)
	}
	if roles(d) != "suaua" || d.Turns() != 2 {
		t.Errorf("roles %s, %d turns", roles(d), d.Turns())
	}
	if q, ok := d.Undo(); !ok || q != "What does strings.ToLower do?" || roles(d) != "sua" {
		t.Errorf("undo gave %q, %v; roles %s", q, ok, roles(d))
	}
	var again strings.Builder
	if err := d.Again(context.Background(), func(s string, _ bool) error { again.WriteString(s); return nil }); err != nil || again.String() != answer || roles(d) != "sua" {
		t.Errorf("again: %q, %v, roles %s", again.String(), err, roles(d))
	}
	d.SetSystem("")
	if d.System() != "" || roles(d) != "ua" {
		t.Errorf("without a system message: %q, roles %s", d.System(), roles(d))
	}
	d.SetSystem("Be brief.")
	if d.System() != "Be brief." || roles(d) != "sua" {
		t.Errorf("with one: %q, roles %s", d.System(), roles(d))
	}
	d.Clear()
	if _, ok := d.Undo(); ok || roles(d) != "s" {
		t.Errorf("cleared: roles %s", roles(d))
	}
	if err := d.Again(context.Background(), nil); !errors.Is(err, ErrNothing) {
		t.Errorf("again without an answer: %v", err)
	}
}

// TestInterrupt breaks off before and during the answer.
func TestInterrupt(t *testing.T) {
	d := begin(t, load(t, 1024), model.Generation{})
	ctx, cancel := context.WithCancel(context.Background())
	var got strings.Builder
	err := d.Ask(ctx, question, func(s string, _ bool) error { got.WriteString(s); cancel(); return nil })
	if !errors.Is(err, context.Canceled) || roles(d) != "sua" || d.Messages()[2].Content != got.String() || !strings.HasPrefix(answer, got.String()) {
		t.Errorf("during the answer: %v, roles %s, answer %q", err, roles(d), got.String())
	}
	if err := d.Ask(ctx, "Hello", nil); !errors.Is(err, context.Canceled) || roles(d) != "sua" {
		t.Errorf("before the answer: %v, roles %s", err, roles(d))
	}
	if err := d.Again(ctx, nil); !errors.Is(err, context.Canceled) || roles(d) != "sua" || d.Messages()[2].Content != got.String() {
		t.Errorf("again, before the answer: %v, roles %s", err, roles(d))
	}
	if got := ask(t, d, question); got == "" {
		t.Error("no answer afterwards")
	}
}

// TestFull fills a small context: the question that does not fit must change
// nothing, and dropping as many turns as said must make it fit.
func TestFull(t *testing.T) {
	d := begin(t, load(t, 160), model.Generation{MaxTokens: 8})
	var full *FullError
	for range 20 {
		before := roles(d)
		err := d.Ask(context.Background(), question, func(string, bool) error { return nil })
		if err == nil {
			continue
		}
		if !errors.As(err, &full) || roles(d) != before {
			t.Fatalf("error %v, roles %s, before %s", err, roles(d), before)
		}
		break
	}
	if full == nil || full.Turns < 1 || full.Need <= full.Room-full.Reserve || full.Room != 160 {
		t.Fatalf("full: %+v", full)
	}
	turns := d.Turns()
	d.Drop(full.Turns)
	if d.Turns() != turns-full.Turns || d.System() == "" {
		t.Errorf("%d turns of %d are left after dropping %d", d.Turns(), turns, full.Turns)
	}
	ask(t, d, question)
	err := d.Ask(context.Background(), strings.Repeat("word ", 300), nil)
	if !errors.As(err, &full) || full.Turns != 0 || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a question that never fits: %v", err)
	}
	d.Drop(100)
	if roles(d) != "s" {
		t.Errorf("roles %s after dropping all", roles(d))
	}
}

// TestLongSession asks in a conversation of 20 000 turns, nearly all of which
// must go. That once took hours.
func TestLongSession(t *testing.T) {
	d := begin(t, load(t, 512), model.Generation{MaxTokens: 4})
	const long = 20_000
	for range long {
		d.messages = append(d.messages, chat.Message{Role: "user", Content: question}, chat.Message{Role: "assistant", Content: answer})
	}
	start := time.Now()
	var full *FullError
	if err := d.Ask(context.Background(), question, nil); !errors.As(err, &full) || d.Turns() != long {
		t.Fatalf("error %v, %d turns", err, d.Turns())
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	// Exactly so many must go.
	d.Drop(full.Turns - 1)
	var again *FullError
	if err := d.Ask(context.Background(), question, nil); !errors.As(err, &again) || again.Turns != 1 {
		t.Errorf("with one turn more: %v", err)
	}
	d.Drop(1)
	ask(t, d, question)
}

// TestThinking: reasoning is told from the answer, also where the prompt has
// the mark before it, and the template leaves it out of later prompts.
func TestThinking(t *testing.T) {
	m := load(t, 1024)
	d := begin(t, m, model.Generation{})
	const strip = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1].lstrip('\\n') }}<|im_end|>\n{% endfor %}" +
		"{% if add_generation_prompt %}<|im_start|>assistant\n"
	if err := m.SetTemplate(strip + "{% endif %}"); err != nil {
		t.Fatal(err)
	}
	d.messages = append(d.messages, chat.Message{Role: "user", Content: "Hello"}, chat.Message{Role: "assistant", Content: "<think>\nhm\n</think>\n\nyes"})
	prompt, _, err := d.prompt(d.messages)
	text := m.Tokenizer.Decode(prompt)
	if err != nil || strings.Contains(text, "hm") || !strings.Contains(text, "<|im_start|>assistant\nyes<|im_end|>") {
		t.Errorf("prompt %q, %v", text, err)
	}
	if d.beginsThinking(prompt) {
		t.Error("an answer counts as reasoning")
	}
	if err := m.SetTemplate(strip + "<think>\n{% endif %}"); err != nil {
		t.Fatal(err)
	}
	if prompt, _, err = d.prompt(d.messages); err != nil || !d.beginsThinking(prompt) {
		t.Errorf("reasoning counts as an answer: %v", err)
	}
	var reasoning bool
	err = d.Ask(context.Background(), question, func(_ string, r bool) error { reasoning = r; return nil })
	if err != nil || !reasoning {
		t.Errorf("reasoning %v, %v", reasoning, err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	m := load(t, 1024)
	d := begin(t, m, model.Generation{})
	ask(t, d, question)
	var file bytes.Buffer
	if err := d.Save(&file); err != nil {
		t.Fatal(err)
	}
	other := begin(t, m, model.Generation{})
	if err := other.Load(bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	if roles(other) != "sua" || other.Len() != d.Len() {
		t.Errorf("roles %s, %d tokens; want %s, %d", roles(other), other.Len(), roles(d), d.Len())
	}
	if got, want := ask(t, other, "And strings.ToLower?"), ask(t, d, "And strings.ToLower?"); got != want {
		t.Errorf("after loading %q, want %q", got, want)
	}
	for extra, want := range map[string]string{
		`7`: "holds no conversation", `{"a":1}`: "holds no conversation", `["x"]`: "holds no conversation",
		`[{"role":"` + strings.Repeat("r", 200) + `"}]`: `has the role "` + strings.Repeat("r", 64) + `…"; expected`,
	} {
		var odd bytes.Buffer
		if err := d.session.Save(&odd, []byte(extra)); err != nil {
			t.Fatal(err)
		}
		before := roles(other)
		err := other.Load(&odd)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "json") || roles(other) != before {
			t.Errorf("%.20s: error %v, roles %s, before %s; want %q", extra, err, roles(other), before, want)
		}
	}
	b := file.Bytes()
	b[len(b)/2] ^= 1
	before := roles(other)
	if err := other.Load(bytes.NewReader(b)); err == nil || roles(other) != before {
		t.Errorf("a damaged file: %v, roles %s, before %s", err, roles(other), before)
	}
}

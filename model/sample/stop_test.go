package sample

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestStop pushes texts in every way of cutting them in two, and byte by byte.
func TestStop(t *testing.T) {
	for _, c := range []struct{ text, stops, want, stop string }{
		{"hello world", "wor", "hello ", "wor"},
		{"hello world", "xyz", "hello world", ""},
		{"aaab", "aab", "a", "aab"},
		{"abcabd", "abd|bc", "a", "bc"},
		{"héllo €nd", "€", "héllo ", "€"},
		{"abcd", "bcd|abcd", "", "abcd"},
		{"a\n\nUser:", "\nUser:", "a\n", "\nUser:"},
	} {
		run := func(pieces ...string) {
			m, err := NewStopMatcher(strings.Split(c.stops, "|")...)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, p := range pieces {
				text, _ := m.Push(p)
				if !utf8.ValidString(text) {
					t.Errorf("%q: Push(%q) gave %q", c.text, p, text)
				}
				got.WriteString(text)
			}
			got.WriteString(m.Flush())
			if got.String() != c.want || m.Stop() != c.stop {
				t.Errorf("%q cut as %q: text %q, stop %q; want %q, %q", c.text, pieces, got.String(), m.Stop(), c.want, c.stop)
			}
		}
		for i := range len(c.text) + 1 {
			run(c.text[:i], c.text[i:])
		}
		run(strings.SplitAfter(c.text, "")...)
		var bytes []string
		for i := range len(c.text) {
			bytes = append(bytes, c.text[i:i+1])
		}
		run(bytes...)
	}
	for _, bad := range []string{"", "\xff"} {
		if _, err := NewStopMatcher(bad); err == nil {
			t.Errorf("stop string %q was taken", bad)
		}
	}
	m, _ := NewStopMatcher()
	if text, _ := m.Push("\xe2\x82"); text != "" || m.Flush() != "\uFFFD" {
		t.Errorf("half a character: %q came out at once", text)
	}
}

// TestPenalties checks the formulas of the package comment on logits that
// only the penalties tell apart.
func TestPenalties(t *testing.T) {
	w := newWindow(4, 3)
	for _, id := range []int32{0, 1, 2, 2} { // 0 has left the window
		w.add(id)
	}
	logits := []float32{2, 2, -1, 2}
	w.penalise(logits, Params{RepeatPenalty: 2, PresencePenalty: 0.5, FrequencyPenalty: 0.25})
	// 2 stays, 2/2-0.25-0.5, -1*2-2*0.25-0.5, 2 stays.
	for i, want := range []float32{2, 0.25, -3, 2} {
		if logits[i] != want {
			t.Errorf("logit %d is %g, want %g", i, logits[i], want)
		}
	}
}

func TestLogProb(t *testing.T) {
	logits := []float32{0, float32(math.Log(3)), float32(math.Inf(-1))}
	for id, want := range []float64{math.Log(0.25), math.Log(0.75), math.Inf(-1)} {
		if got, err := LogProb(logits, int32(id)); err != nil || math.Abs(got-want) > 1e-7 {
			t.Errorf("token %d: %g, %v, want %g", id, got, err, want)
		}
	}
	if _, err := LogProb(logits, 3); err == nil {
		t.Error("token 3 of 3 has a probability")
	}
	all := make([]float64, 3)
	if err := LogSoftmax(all, logits); err != nil || math.Abs(all[0]-math.Log(0.25)) > 1e-7 {
		t.Errorf("LogSoftmax: %v, %v", all, err)
	}
}

// oddOnly allows odd tokens.
type oddOnly struct{ taken []int32 }

func (o *oddOnly) Allowed(id int32) bool { return id%2 == 1 }
func (o *oddOnly) Accept(id int32) error { o.taken = append(o.taken, id); return nil }

func TestConstraint(t *testing.T) {
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 2}, {Temperature: 1, TopP: 0.5}} {
		s := mustNew(t, 5, p)
		c := &oddOnly{}
		s.Constrain(c)
		id, err := s.Sample([]float32{9, 1, 8, 7, 9})
		if err != nil || id%2 != 1 {
			t.Errorf("%+v: token %d, %v", p, id, err)
		}
		if err := s.Accept(id); err != nil || len(c.taken) != 1 || c.taken[0] != id {
			t.Errorf("%+v: the constraint saw %v, %v", p, c.taken, err)
		}
	}
}

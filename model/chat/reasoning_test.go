package chat

import "testing"

// TestReasoning takes answers apart that come in pieces of all lengths.
func TestReasoning(t *testing.T) {
	for _, c := range []struct {
		answer string
		inside bool
		want   string // with the reasoning in brackets
	}{
		{"<think>\nhm\n</think>\n\nyes", false, "[<think>\nhm\n</think>]\n\nyes"},
		{"\n <think>a</think>b", false, "[\n <think>a</think>]b"},
		{"hm</think>yes", true, "[hm</think>]yes"},
		{"hm", true, "[hm]"},
		{"yes <think>no</think>", false, "yes <think>no</think>"},
		{"<think>a</think>b<think>c</think>", false, "[<think>a</think>]b<think>c</think>"},
		{"<thin", false, "<thin"},
		{"<thinker>", false, "<thinker>"},
		{"<think>a</thin", false, "[<think>a</thin]"},
		{"<think>a</thinking</think>b", false, "[<think>a</thinking</think>]b"},
		{"", false, ""},
		{"\n\n", false, "\n\n"},
	} {
		for n := 1; n <= len(c.answer)+1; n++ {
			r := Reasoning{Inside: c.inside}
			got, inside := "", false
			emit := func(text string, reasoning bool) error {
				if reasoning != inside {
					got += map[bool]string{true: "[", false: "]"}[reasoning]
					inside = reasoning
				}
				got += text
				return nil
			}
			for rest := c.answer; rest != ""; {
				k := min(n, len(rest))
				if err := r.Push(rest[:k], emit); err != nil {
					t.Fatal(err)
				}
				rest = rest[k:]
			}
			if err := r.Flush(emit); err != nil {
				t.Fatal(err)
			}
			if inside {
				got += "]"
			}
			if got != c.want {
				t.Errorf("%q in pieces of %d: got %q, expected %q", c.answer, n, got, c.want)
			}
		}
	}
}

package baseline

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAnswer reads streams whose lines come a millisecond apart: the first piece
// of text counts, wherever a server puts it, and chunks without text do not.
func TestAnswer(t *testing.T) {
	const (
		role  = `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}`
		text  = `data: {"choices":[{"delta":{"content":"a"}}]}`
		empty = `data: {"choices":[{"delta":{"content":""}}]}`
		null  = `data: {"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}],"error":null}`
		other = `data: {"choices":[{"delta":{"reasoning":"hm"}}]}`
		end   = `data: {"choices":[{"delta":{},"finish_reason":"length"}]}`
		usage = `data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}`
		ms    = int64(time.Millisecond)
	)
	for name, c := range map[string]struct {
		lines []string
		ttft  int64
		gaps  []int64
	}{
		"text":                {[]string{role, text, text, text, end, usage, "data: [DONE]"}, 2 * ms, []int64{ms, ms}},
		"empty first chunks":  {[]string{role, empty, empty, text, text, end, usage}, 4 * ms, []int64{ms}},
		"empty between":       {[]string{text, empty, text, usage, "data: [DONE]"}, ms, []int64{2 * ms}},
		"thoughts, then text": {[]string{role, null, null, text, end, usage}, 2 * ms, []int64{ms, ms}},
		"thoughts only":       {[]string{role, other, other, end, usage}, 2 * ms, []int64{ms}},
		"without spaces":      {[]string{strings.ReplaceAll(text, "data: ", "data:"), end, usage}, ms, nil},
	} {
		var now time.Duration
		clock := func() time.Duration { now += time.Millisecond; return now }
		rep, err := readAnswer(strings.NewReader(strings.Join(c.lines, "\n\n")+"\n\n"), clock, 3)
		if err != nil || rep.TTFT != c.ttft || !slices.Equal(rep.Gaps, c.gaps) || rep.Prompt != 12 || rep.Gen != 3 {
			t.Errorf("%s: %+v, %v, want a first token after %d ns and gaps of %d", name, rep, err, c.ttft, c.gaps)
		}
	}
}

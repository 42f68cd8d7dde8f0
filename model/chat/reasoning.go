package chat

import "strings"

// Marks of what a model thinks before it answers, in DeepSeek-R1 and QwQ.
const (
	ThinkStart = "<think>"
	ThinkEnd   = "</think>"
)

// Reasoning tells, as an answer comes, its reasoning from the rest. Its zero
// value is for an answer that begins with ThinkStart if there is any
// reasoning.
type Reasoning struct {
	// Inside says that the text is in the reasoning: set it at the beginning
	// if the prompt ended with ThinkStart.
	Inside  bool
	over    bool   // there is no more reasoning to come
	pending string // what may be part of a mark
}

// Push takes the next piece of text, and calls emit with what is clear by then.
// The marks belong to the reasoning.
func (r *Reasoning) Push(text string, emit func(text string, reasoning bool) error) error {
	r.pending += text
	if !r.Inside && !r.over {
		switch begin := strings.TrimLeft(r.pending, " \n\r\t"); {
		case strings.HasPrefix(begin, ThinkStart):
			r.Inside = true
		case strings.HasPrefix(ThinkStart, begin):
			return nil
		default:
			r.over = true
		}
	}
	if r.Inside {
		at := strings.Index(r.pending, ThinkEnd)
		if at < 0 {
			return r.emit(len(r.pending)-partial(r.pending, ThinkEnd), emit)
		}
		if err := r.emit(at+len(ThinkEnd), emit); err != nil {
			return err
		}
		r.Inside, r.over = false, true
	}
	return r.emit(len(r.pending), emit)
}

// Flush emits what is left at the end of the answer.
func (r *Reasoning) Flush(emit func(text string, reasoning bool) error) error {
	return r.emit(len(r.pending), emit)
}

// emit emits the first n bytes of what is pending.
func (r *Reasoning) emit(n int, emit func(text string, reasoning bool) error) error {
	text := r.pending[:n]
	r.pending = r.pending[n:]
	if text == "" {
		return nil
	}
	return emit(text, r.Inside)
}

// partial is the length of the longest end of text with which mark may begin.
func partial(text, mark string) int {
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return n
		}
	}
	return 0
}

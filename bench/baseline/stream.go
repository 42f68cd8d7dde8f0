package baseline

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"qgo/bench"
	"qgo/gguf/show"
)

// Limits of what a server may say.
const (
	maxPieces = 16      // of text for each token of the answer
	maxPrompt = 1 << 24 // tokens
	maxLine   = 1 << 20 // bytes of a line of a stream
)

// chatChunk is what a server sends in an event of its stream.
type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
			// What a model thinks is apart in some servers, under either name.
			ReasoningContent string `json:"reasoning_content"`
			Reasoning        string `json:"reasoning"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// text is the piece of the answer in a chunk, thoughts included.
func (c *chatChunk) text() string {
	if len(c.Choices) == 0 {
		return ""
	}
	d := &c.Choices[0].Delta
	return cmp.Or(d.Content, d.ReasoningContent, d.Reasoning)
}

// answer is an answer that comes in.
type answer struct {
	rep   bench.Rep
	last  time.Duration // when the last piece of text came
	gen   int           // tokens asked for
	usage bool          // whether the server has counted tokens
	ended bool          // whether the server has said that the answer is over
}

// readAnswer reads the stream of an answer of gen tokens and times its pieces of
// text; chunks without text, such as a first one with the role only, are none.
// since is the time since the request. An answer that does not end as the
// protocol has it, that failed or that was not counted is an error.
func readAnswer(stream io.Reader, since func() time.Duration, gen int) (bench.Rep, error) {
	a := answer{gen: gen}
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	event := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimSpace(value); field {
		case "": // an empty line ends an event; what begins with a colon is a comment
			if value == "" {
				event = ""
			}
		case "event":
			event = value
		case "data":
			if err := a.add(event, value, since()); err != nil {
				return a.rep, err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return a.rep, fmt.Errorf("the stream broke off after %d pieces of text: %w", a.pieces(), err)
	}
	a.rep.NS = int64(a.last)
	return a.rep, a.check()
}

// pieces is the number of pieces of text so far.
func (a *answer) pieces() int {
	if a.rep.TTFT == 0 {
		return 0
	}
	return 1 + len(a.rep.Gaps)
}

// add takes the data of an event that came at that time.
func (a *answer) add(event, data string, now time.Duration) error {
	if data == "[DONE]" {
		a.ended = true
		return nil
	}
	if event == "error" {
		return fmt.Errorf("the server failed: %s", show.Lines(data[:min(len(data), 300)]))
	}
	var chunk chatChunk
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		return fmt.Errorf("the server sent %s, expected a chunk of a chat completion", show.Quoted(data))
	}
	if len(chunk.Error) > 0 && string(chunk.Error) != "null" {
		return fmt.Errorf("the server failed: %s", show.Lines(string(chunk.Error[:min(len(chunk.Error), 300)])))
	}
	if chunk.Usage != nil {
		a.rep.Prompt, a.rep.Gen, a.usage = chunk.Usage.Prompt, chunk.Usage.Completion, true
	}
	if len(chunk.Choices) > 0 && chunk.Choices[0].FinishReason != "" {
		a.ended = true
	}
	if chunk.text() == "" {
		return nil
	}
	if a.rep.TTFT == 0 {
		a.rep.TTFT = int64(now)
	} else {
		a.rep.Gaps = append(a.rep.Gaps, int64(now-a.last))
	}
	if a.last = now; len(a.rep.Gaps) > maxPieces*a.gen {
		return fmt.Errorf("the server does not end its answer of %d tokens", a.gen)
	}
	return nil
}

// check returns an error if the answer is not whole.
func (a *answer) check() error {
	r := &a.rep
	switch {
	case !a.ended && a.pieces() > 0:
		return fmt.Errorf("the stream was cut off after %d pieces of text", a.pieces())
	case r.TTFT == 0:
		return errors.New("the answer has no text")
	case !a.usage:
		return errors.New("the stream has no usage field: the server must support stream_options.include_usage")
	case r.Gen < 1 || r.Gen > maxPieces*a.gen || r.Prompt < 0 || r.Prompt > maxPrompt:
		return fmt.Errorf("the server counts %d tokens of the prompt and %d of the answer: expected %d of the answer", r.Prompt, r.Gen, a.gen)
	}
	return nil
}

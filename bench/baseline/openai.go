package baseline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"qgo/bench"
)

// OpenAI drives a server that speaks OpenAI's chat completions, such as
// llama-server or ollama, and times its stream.
type OpenAI struct {
	URL    string // of the server, without or with /v1
	Model  string // name to ask for; "" means "default"
	client http.Client
}

// Name is what the engine is called: the server's address.
func (o *OpenAI) Name() string {
	if u, err := url.Parse(o.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return o.URL
}

type chatRequest struct {
	Model         string          `json:"model"`
	Messages      []chatMessage   `json:"messages"`
	MaxTokens     int             `json:"max_tokens"`
	Temperature   float64         `json:"temperature"`
	Stream        bool            `json:"stream"`
	StreamOptions map[string]bool `json:"stream_options"`
	IgnoreEOS     bool            `json:"ignore_eos"`   // llama-server: go on after the end
	CachePrompt   bool            `json:"cache_prompt"` // llama-server: compute the prompt anew
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// Limits of what a server may say.
const (
	maxPieces = 16      // of text for each token of the answer
	maxPrompt = 1 << 24 // tokens
)

// maxLine is the longest line of a stream that is read.
const maxLine = 1 << 20

// Once sends the scenario's request, the same text as qgo's, and times it from
// sending to the text of the first token and on to the last. Tokens are
// counted by the server.
func (o *OpenAI) Once(ctx context.Context, r bench.Request) (*bench.Result, error) {
	if r.Scenario == "" {
		return nil, errors.New("a server answers requests with text: use it with --scenario")
	}
	text, err := bench.ScenarioText(r.Model, r.Prompt)
	if err != nil {
		return nil, err
	}
	rep, err := o.stream(ctx, text, r.Gen)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.URL, err)
	}
	return &bench.Result{
		Engine: o.Name(), CPUInfo: "server", Backends: "server", ModelFilename: r.Path, ModelType: o.model(),
		Threads: r.Threads, Prompt: r.Prompt, Gen: r.Gen, TestTime: time.Now().UTC(), Reps: []bench.Rep{rep},
	}, nil
}

func (o *OpenAI) model() string {
	if o.Model == "" {
		return "default"
	}
	return o.Model
}

func (o *OpenAI) stream(ctx context.Context, text string, gen int) (rep bench.Rep, err error) {
	body, err := json.Marshal(chatRequest{
		Model: o.model(), Messages: []chatMessage{{"user", text}}, MaxTokens: gen,
		Stream: true, StreamOptions: map[string]bool{"include_usage": true}, IgnoreEOS: true,
	})
	if err != nil {
		return rep, err
	}
	address := strings.TrimSuffix(strings.TrimSuffix(o.URL, "/"), "/v1") + "/v1/chat/completions"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return rep, err
	}
	req.Header.Set("Content-Type", "application/json")
	start := time.Now()
	res, err := o.client.Do(req)
	if err != nil {
		return rep, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return rep, fmt.Errorf("the server answered %s: %s", res.Status, strings.TrimSpace(string(message)))
	}
	var last time.Duration
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		data = strings.TrimSpace(data)
		if !ok || data == "[DONE]" {
			continue
		}
		now := time.Since(start)
		var chunk chatChunk
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return rep, fmt.Errorf("the server sent %.100q, expected a chunk of a chat completion: %w", data, err)
		}
		if len(chunk.Error) > 0 {
			return rep, fmt.Errorf("the server failed: %.300s", chunk.Error)
		}
		if chunk.Usage != nil {
			rep.Prompt, rep.Gen = chunk.Usage.Prompt, chunk.Usage.Completion
		}
		if len(chunk.Choices) == 0 || chunk.Choices[0].Delta.Content == "" {
			continue
		}
		if rep.TTFT == 0 {
			rep.TTFT = int64(now)
		} else {
			rep.Gaps = append(rep.Gaps, int64(now-last))
		}
		if last = now; len(rep.Gaps) > maxPieces*gen {
			return rep, fmt.Errorf("the server does not end its answer of %d tokens", gen)
		}
	}
	rep.NS = int64(last)
	switch {
	case lines.Err() != nil:
		return rep, lines.Err()
	case rep.TTFT == 0:
		return rep, errors.New("the answer has no text")
	case rep.Gen == 0:
		return rep, errors.New("the stream has no usage field: the server must support stream_options.include_usage")
	case rep.Gen < 0 || rep.Gen > maxPieces*gen || rep.Prompt < 0 || rep.Prompt > maxPrompt:
		return rep, fmt.Errorf("the server counts %d tokens of the prompt and %d of the answer: expected %d of the answer", rep.Prompt, rep.Gen, gen)
	}
	return rep, nil
}

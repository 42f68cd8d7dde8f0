package baseline

import (
	"bytes"
	"cmp"
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
	"qgo/gguf/show"
)

// OpenAI drives a server that speaks OpenAI's chat completions, such as
// llama-server or ollama, and times its stream.
type OpenAI struct {
	URL    string // of the server, without or with /v1
	Model  string // name to ask for; "" means "default"
	Key    string // sent as a bearer token, "" for none
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
	watched, dog, stop := watch(ctx, stall)
	defer stop()
	req, err := http.NewRequestWithContext(watched, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return rep, err
	}
	req.Header.Set("Content-Type", "application/json")
	if o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+o.Key)
	}
	start := time.Now()
	res, err := o.client.Do(req)
	if err != nil {
		return rep, cmp.Or(stalled(watched), err)
	}
	defer res.Body.Close()
	dog.from = res.Body
	if res.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		text := show.Text(res.Status)
		if said := strings.TrimSpace(string(message)); said != "" {
			text += ": " + show.Lines(said)
		}
		if res.StatusCode == http.StatusUnauthorized {
			text += "; it takes the key in OPENAI_API_KEY"
		}
		return rep, fmt.Errorf("the server answered %s", text)
	}
	rep, err = readAnswer(dog, func() time.Duration { return time.Since(start) }, gen)
	if err != nil {
		err = cmp.Or(stalled(watched), err)
	}
	return rep, err
}

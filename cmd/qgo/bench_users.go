package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/baseline"
	"qgo/bench/load"
	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/sample"
)

// usersFlags are those of bench users.
type usersFlags struct {
	model                  modelFlags
	url                    string
	users, batch, scenario string
	seconds                float64
	plan                   load.Plan
	sizes                  []int // of --batch-decode
	depth                  int
	sampled                bool
	sampling               sample.Params // greedy unless sampled
	server                 *baseline.OpenAI
}

func newBenchUsers() *cobra.Command {
	var u usersFlags
	cmd := &cobra.Command{
		Use:   "users",
		Short: "Measure how many users can be served at once",
		Long: `users sends requests, several at a time, to a model that it loads, or to a server
that speaks OpenAI's chat completions, and tells for each number of users how
long the first token (TTFT) and each further one (TPOT) take, how many tokens
come in all, and how many requests meet limits of both (goodput).

In a closed loop, the default, each user sends the next request when the last one
is answered. With --rate requests arrive at random times (a Poisson process, an
open loop), of which as many as there are users are answered at once.

Without --model and --url it makes a model of the shape of Qwen2.5-0.5B in q4_0
with random weights in memory. docs/bench.md defines what is measured.

Environment: OPENAI_API_KEY (the key of a server that asks for one).`,
		Example: `  qgo bench users --model qwen2.5-0.5b-instruct-q4_0.gguf --users 1,2,4,8
  qgo bench users --url http://localhost:8080 --scenario chat
  qgo bench users --url http://localhost:11434#qwen2.5:0.5b --rate 0.5 --seconds 120
  qgo bench users --model a.gguf --batch-decode 1,2,4,8,16,32 --depth 2048`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	f := cmd.Flags()
	u.model.add(f)
	u.model.setContext(f, 0, "longest text in tokens (0: what the requests need)")
	f.StringVar(&u.url, "url", "", "a server's address, such as http://localhost:8080, or with a model's name behind #")
	f.StringVar(&u.users, "users", "1,2,4,8", "users at once")
	f.StringVar(&u.scenario, "scenario", "", "prompts and answers of such lengths: chat, rag-style and so on")
	f.IntVar(&u.plan.Prompt, "prompt", 128, "tokens of a prompt")
	f.IntVar(&u.plan.Answer, "answer", 128, "tokens of an answer")
	f.IntVar(&u.plan.Requests, "requests", 4, "requests for each user")
	f.Float64Var(&u.seconds, "seconds", 0, "begin requests for so many seconds, in place of --requests")
	f.Float64Var(&u.plan.Rate, "rate", 0, "requests that arrive a second, at random times (0: each user sends one after the other)")
	f.Uint64Var(&u.plan.Seed, "seed", 1, "seed of the times between arrivals")
	f.DurationVar(&u.plan.Limits.TTFT, "ttft", 500*time.Millisecond, "limit of the first token for goodput")
	f.DurationVar(&u.plan.Limits.TPOT, "tpot", 50*time.Millisecond, "limit of each further token for goodput")
	f.Float64Var(&u.plan.Limits.Percent, "for", 90, "percent of the requests that must meet both limits")
	f.StringVar(&u.batch, "batch-decode", "", "measure decode of so many sequences at once, such as 1,2,4,8,16,32")
	f.IntVar(&u.depth, "depth", 128, "tokens of each sequence before --batch-decode")
	f.BoolVar(&u.sampled, "sampled", false, "draw tokens as the model's file or its makers recommend, in place of the most likely ones")
	return cmd
}

// Limits of what the flags may ask for.
const (
	maxUserTokens   = 1 << 17
	maxUserRequests = 10_000
	maxRate         = 1000
	minRate         = 0.001
	maxLimit        = time.Hour
)

// check turns the flags into the plan.
func (u *usersFlags) check(cmd *cobra.Command) (err error) {
	p := &u.plan
	if p.Users, err = u.numbers(cmd, "users", u.users); err != nil {
		return err
	}
	if u.batch != "" {
		if u.sizes, err = u.numbers(cmd, "batch-decode", u.batch); err != nil {
			return err
		}
		if !slices.ContainsFunc(requestFlags, cmd.Flags().Changed) {
			p.Users = nil // no requests are asked for
		}
	}
	if u.depth < 1 || u.depth > maxUserTokens {
		return usagef(cmd, "--depth is %d: choose 1 to %d", u.depth, maxUserTokens)
	}
	if u.batch == "" && cmd.Flags().Changed("depth") {
		return usagef(cmd, "--depth is for --batch-decode: give that, too, such as --batch-decode 1,8")
	}
	if err := u.checkRequests(cmd); err != nil {
		return err
	}
	for flag, d := range map[string]time.Duration{"ttft": p.Limits.TTFT, "tpot": p.Limits.TPOT} {
		if d <= 0 || d > maxLimit {
			return usagef(cmd, "--%s is %v: choose more than 0 and at most 1h, such as 500ms", flag, d)
		}
	}
	if !(p.Limits.Percent > 0 && p.Limits.Percent <= 100) {
		return usagef(cmd, "--for is %g: choose more than 0 and at most 100", p.Limits.Percent)
	}
	return u.checkServer(cmd)
}

// requestFlags are those that say which requests are sent.
var requestFlags = []string{"users", "scenario", "prompt", "answer", "requests", "seconds", "rate", "seed", "ttft", "tpot", "for"}

// numbers reads a list of users or sequences, and sorts it.
func (u *usersFlags) numbers(cmd *cobra.Command, flag, list string) ([]int, error) {
	all, err := bench.ParseInts(list)
	if err != nil {
		return nil, usagef(cmd, "--%s: %w", flag, err)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if least, most := all[0], all[len(all)-1]; least < 1 || most > load.MaxUsers {
		return nil, usagef(cmd, "--%s is %s: choose numbers from 1 to %d", flag, show.Quoted(list), load.MaxUsers)
	}
	return all, nil
}

// checkRequests checks what requests are like and how many there are.
func (u *usersFlags) checkRequests(cmd *cobra.Command) error {
	p, changed := &u.plan, cmd.Flags().Changed
	if u.scenario != "" {
		if changed("prompt") || changed("answer") {
			return usagef(cmd, "--scenario says how long prompts and answers are: leave out --prompt and --answer")
		}
		all, err := bench.ParseScenarios(u.scenario)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		if len(all) != 1 {
			return usagef(cmd, "--scenario is %s: choose one", show.Quoted(u.scenario))
		}
		u.scenario, p.Prompt, p.Answer = all[0].Scenario, all[0].Prompt, all[0].Gen
	}
	for _, f := range []struct {
		flag        string
		value, most int
	}{{"prompt", p.Prompt, maxUserTokens}, {"answer", p.Answer, maxUserTokens}, {"requests", p.Requests, maxUserRequests}} {
		if f.value < 1 || f.value > f.most {
			return usagef(cmd, "--%s is %d: choose 1 to %d", f.flag, f.value, f.most)
		}
	}
	if changed("seconds") {
		if changed("requests") {
			return usagef(cmd, "--requests and --seconds exclude each other")
		}
		if !(u.seconds > 0 && u.seconds <= maxSeconds) {
			return usagef(cmd, "--seconds is %g: choose more than 0 and at most %d", u.seconds, maxSeconds)
		}
		p.Span = seconds(u.seconds)
	}
	if p.Rate != 0 && !(p.Rate >= minRate && p.Rate <= maxRate) {
		return usagef(cmd, "--rate is %g: choose %g to %d requests a second, or 0", p.Rate, minRate, maxRate)
	}
	if changed("seed") && p.Rate == 0 {
		return usagef(cmd, "--seed is for --rate: without it nothing is random")
	}
	return nil
}

// checkServer checks the server's address.
func (u *usersFlags) checkServer(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("url") {
		return nil
	}
	address, name, _ := strings.Cut(u.url, "#")
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return usagef(cmd, "--url is %s: expected the address of a server, such as http://localhost:8080", show.Quoted(u.url))
	}
	for _, flag := range []string{"model", "threads", "no-pin", "ctx", "kv", "no-repack", "tier", "fast", "device", "gpu-layers", "batch-decode", "sampled"} {
		if cmd.Flags().Changed(flag) {
			return usagef(cmd, "--%s is for a model that qgo computes itself: leave it out with --url", flag)
		}
	}
	u.server = &baseline.OpenAI{URL: address, Model: name, Key: os.Getenv(serverKey)}
	return nil
}

func (u *usersFlags) run(cmd *cobra.Command) error {
	if err := u.check(cmd); err != nil {
		return err
	}
	p := &u.plan
	r := &load.Report{
		Schema: load.Schema, Started: time.Now().UTC(), Scenario: u.scenario, Prompt: p.Prompt, Answer: p.Answer,
		Loop: "closed", Limits: p.Limits,
	}
	if p.Rate > 0 {
		r.Loop, r.Rate, r.Seed = "open", p.Rate, p.Seed
	}
	measure := u.measureModel
	if u.server != nil {
		measure = u.measureServer
	}
	err := measure(cmd, r)
	if len(r.Levels) == 0 && len(r.BatchDecode) == 0 {
		return err
	}
	r.Interrupted = cmd.Context().Err() != nil
	r.Judge()
	if reason, failed := r.AllFailed(); failed && err == nil {
		err = fmt.Errorf("all requests failed: %s", reason)
	}
	if wantsJSON(cmd) {
		return errors.Join(err, printJSON(cmd, r))
	}
	printUsers(cmd.OutOrStdout(), r)
	return err
}

// measureServer sends the requests to a server.
func (u *usersFlags) measureServer(cmd *cobra.Command, r *load.Report) error {
	r.Engine, r.Model = u.server.Name(), u.server.Model
	text, err := bench.WordsText(u.plan.Prompt)
	if err != nil {
		return err
	}
	u.plan.Texts, u.plan.Adjust = load.NewTexts(text), true
	return u.watch(cmd, func(ctx context.Context) error {
		r.Levels, err = u.plan.Run(ctx, u.server)
		return err
	})
}

// watch shows progress while it measures.
func (u *usersFlags) watch(cmd *cobra.Command, measure func(ctx context.Context) error) error {
	return watched(cmd, func(ctx context.Context, progress func(bench.Status)) error {
		u.plan.Progress = func(step string) { progress(bench.Status{Step: step}) }
		return measure(ctx)
	})
}

// roomBeside is room for the few tokens by which a prompt may be longer than
// asked for.
const roomBeside = 64

// measureModel has a model of this program answer the requests.
func (u *usersFlags) measureModel(cmd *cobra.Command, r *load.Report) error {
	p := &u.plan
	need := 0
	if len(p.Users) > 0 {
		need = p.Prompt + p.Answer + roomBeside
	}
	if len(u.sizes) > 0 {
		need = max(need, load.DecodeContext(u.depth))
	}
	if given := u.model.options.Context; given != 0 && given < need {
		return fmt.Errorf("the texts need a context of %d: --ctx is %d", need, given)
	}
	u.model.options.Context = max(u.model.options.Context, need)
	m, err := u.load(cmd)
	if err != nil {
		return err
	}
	defer m.Close()
	place := m.Placement()
	if u.sampled {
		if u.sampling = model.RecommendedSampling(m.File, &m.Config).Params; u.sampling.Greedy() {
			return fmt.Errorf("--sampled: neither the file nor its makers recommend how to draw tokens of %s: leave it out", show.Text(filepath.Base(m.File.Name)))
		}
		r.Sampling = samplingText(u.sampling)
	}
	r.Engine, r.Model, r.KV = "qgo", filepath.Base(m.File.Name), m.KVType()
	r.Devices = (&bench.Result{Backends: place.GPU, GPUInfo: place.GPUName, GPULayers: place.GPULayers, Threads: m.Threads()}).Devices()
	return u.watch(cmd, func(ctx context.Context) error {
		if len(p.Users) > 0 {
			if err := u.serve(ctx, m, need, r); err != nil {
				return err
			}
		}
		if len(u.sizes) == 0 {
			return nil
		}
		r.BatchDecode, err = load.BatchDecode(ctx, m, u.sizes, u.depth, u.sampling, p.Progress)
		return err
	})
}

// serve sends the requests to a model.
func (u *usersFlags) serve(ctx context.Context, m *model.Model, context int, r *load.Report) error {
	p := &u.plan
	text, err := bench.ScenarioText(m, p.Prompt)
	if err != nil {
		return err
	}
	p.Texts, r.Chunk = load.NewTexts(text), load.PromptChunk
	b, err := load.NewBatcher(ctx, m, slices.Max(p.Users), context, u.sampling)
	if err != nil {
		return err
	}
	r.Levels, err = p.Run(ctx, b)
	return errors.Join(err, b.Close())
}

// load loads the model, or makes the one that stands in for a file.
func (u *usersFlags) load(cmd *cobra.Command) (*model.Model, error) {
	if u.model.path != "" {
		return u.model.load(cmd)
	}
	return u.model.loadMade(cmd, bench.Synthetic)
}

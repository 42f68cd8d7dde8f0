package load

import "time"

// Schema is the version of [Report] as JSON; docs/bench.md describes it.
const Schema = "qgo.users/1"

// Report is all that qgo bench users has found.
type Report struct {
	Schema   string    `json:"schema"`
	Started  time.Time `json:"started"`
	Engine   string    `json:"engine"` // qgo, or a server's address
	Model    string    `json:"model"`
	Devices  string    `json:"devices,omitempty"` // what computed, of qgo
	KV       string    `json:"type_k,omitempty"`
	Scenario string    `json:"scenario,omitempty"`
	Prompt   int       `json:"n_prompt"`
	Answer   int       `json:"n_gen"`
	// Sampling says how tokens are chosen, if not the most likely ones are.
	Sampling string `json:"sampling,omitempty"`
	// Loop is closed (each user sends the next request when the last is
	// answered) or open (requests arrive as a Poisson process of Rate a second,
	// from Seed).
	Loop   string   `json:"loop"`
	Rate   float64  `json:"rate,omitempty"`
	Seed   uint64   `json:"seed,omitempty"`
	Chunk  int      `json:"prompt_chunk,omitempty"` // of qgo, see [PromptChunk]
	Limits Limits   `json:"limits"`
	Levels []*Level `json:"users,omitempty"` // none if no requests were asked for
	// Verdict says how many users are served within the limits, and why not more.
	Verdict       string `json:"verdict,omitempty"`
	BatchDecode   []Step `json:"batch_decode,omitempty"`
	DecodeVerdict string `json:"batch_decode_verdict,omitempty"`
	// Interrupted is set if the run was broken off: what is here is right,
	// but not all that was asked for.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Judge fills in the sentences.
func (r *Report) Judge() {
	r.Verdict, r.DecodeVerdict = verdict(r.Levels, r.Limits), decodeVerdict(r.BatchDecode)
}

// AllFailed reports whether requests were sent and none was answered, and why.
func (r *Report) AllFailed() (reason string, failed bool) {
	requests, failures := 0, 0
	for _, l := range r.Levels {
		requests, failures = requests+l.Requests, failures+l.Failed
	}
	if requests == 0 || failures < requests {
		return "", false
	}
	return r.Levels[0].mostFailed(), true
}

package speculate

import (
	"time"

	"qgo/bench"
)

// Schema is the version of [Report] as JSON; docs/bench.md describes it.
const Schema = "qgo.speculate/1"

// Whose vocabulary cuts given texts into tokens.
const (
	Own  = "own"           // the model's
	Demo = "demonstration" // the demonstration model's
)

// Report is what guesses were worth for each kind of text.
type Report struct {
	Schema     string    `json:"schema"`
	Started    time.Time `json:"started"`
	Model      string    `json:"model"`
	Devices    string    `json:"devices"`
	KV         string    `json:"type_k"`
	Reps       int       `json:"pairs"`      // asked for
	Vocabulary string    `json:"vocabulary"` // Own or Demo
	Kinds      []*Kind   `json:"kinds"`
	// Interrupted is set if the run was broken off: what is here is right, but
	// not all that was asked for.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Kind is what guesses were worth for a kind of text.
type Kind struct {
	Name   string `json:"kind"`
	Prompt int    `json:"n_prompt"` // tokens
	Answer int    `json:"n_gen"`    // tokens
	// Times is how many times as fast the answer was written with guesses: the
	// median of the pairs, the least and the most.
	Times      float64 `json:"times"`
	TimesLeast float64 `json:"times_least"`
	TimesMost  float64 `json:"times_most"`
	PlainTS    float64 `json:"plain_ts"`       // tokens a second without guesses, the median
	GuessedTS  float64 `json:"guessed_ts"`     // and with them
	Right      float64 `json:"right"`          // share of the guessed tokens that were right; 0 for none
	OfTokens   float64 `json:"right_of_n_gen"` // those, as a share of the answer's tokens
	Turns      []Turn  `json:"turns"`
	Incomplete bool    `json:"incomplete,omitempty"` // it was broken off
}

// Turn is an answer written without guesses, and then with them.
type Turn struct {
	PlainNS   int64 `json:"plain_ns"` // for all tokens but the first
	GuessedNS int64 `json:"guessed_ns"`
	Guessed   int   `json:"guessed"` // tokens
	Right     int   `json:"right"`   // of them
}

// sum fills in what follows from the turns, of an answer of which so many tokens
// were timed.
func (k *Kind) sum(timed int) {
	var times, plain, guessed bench.Sample
	right, all := 0, 0
	for _, t := range k.Turns {
		a, b := float64(t.PlainNS), float64(t.GuessedNS)
		times, plain, guessed = append(times, a/b), append(plain, float64(timed)/a*1e9), append(guessed, float64(timed)/b*1e9)
		right, all = right+t.Right, all+t.Guessed
	}
	k.Times, k.TimesLeast, k.TimesMost = times.Median(), times.Quantile(0), times.Quantile(1)
	k.PlainTS, k.GuessedTS = plain.Median(), guessed.Median()
	k.Right = float64(right) / float64(max(all, 1))
	k.OfTokens = float64(right) / float64(max(len(k.Turns)*k.Answer, 1))
}

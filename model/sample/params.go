package sample

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Params says how tokens are chosen. The zero value is greedy decoding: every
// field's zero switches its step off.
type Params struct {
	// Temperature divides the logits before the draw; 0 takes the most likely
	// token without a draw.
	Temperature float64
	// TopK keeps the k most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the most likely tokens that together reach this probability;
	// 0 and 1 keep all.
	TopP float64
	// MinP keeps tokens at least this many times as likely as the most likely
	// one; 0 keeps all, 1 only the most likely.
	MinP float64

	// RepeatPenalty divides positive logits and multiplies negative ones of
	// tokens in the window; 0 and 1 change nothing, values below 1 favour
	// repetition.
	RepeatPenalty float64
	// PresencePenalty is subtracted from the logit of each token in the window.
	PresencePenalty float64
	// FrequencyPenalty is subtracted for each time the token is in the window.
	FrequencyPenalty float64
	// PenaltyWindow is the number of latest tokens that the three penalties look
	// at; 0 stands for all, -1 for none.
	PenaltyWindow int

	// LogitBias is added to the logits of the tokens with these ids; minus
	// infinity bans a token.
	LogitBias map[int32]float64

	// Seed starts the random numbers.
	Seed uint64
}

// Greedy reports whether the choice is nothing but the largest logit, which a
// device can then make by itself.
func (p Params) Greedy() bool {
	return p.Temperature == 0 && len(p.LogitBias) == 0 && !p.penalises()
}

func (p Params) penalises() bool {
	return p.PenaltyWindow >= 0 && (p.repeats() || p.PresencePenalty != 0 || p.FrequencyPenalty != 0)
}

// lowers reports whether the penalties raise no logit.
func (p Params) lowers() bool {
	return (p.RepeatPenalty == 0 || p.RepeatPenalty >= 1) && p.PresencePenalty >= 0 && p.FrequencyPenalty >= 0
}

func (p Params) repeats() bool { return p.RepeatPenalty != 0 && p.RepeatPenalty != 1 }

// cutsNucleus reports whether top-p leaves tokens out.
func (p Params) cutsNucleus() bool { return p.TopP > 0 && p.TopP < 1 }

// RangeError says that a parameter is out of its range.
type RangeError struct {
	Param string // in words
	Value string
	Want  string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s is %s: want %s", e.Param, e.Value, e.Want)
}

// Validate reports the first field that is out of its range, for a vocabulary
// of the given size. Of a number the error is a [*RangeError].
func (p Params) Validate(vocab int) error {
	if vocab <= 0 || vocab > math.MaxInt32 {
		return fmt.Errorf("a vocabulary of %d tokens: want 1 to %d", vocab, math.MaxInt32)
	}
	for _, f := range []struct {
		name     string
		value    float64
		min, max float64
	}{
		{"temperature", p.Temperature, 0, math.MaxFloat64},
		{"top-p", p.TopP, 0, 1},
		{"min-p", p.MinP, 0, 1},
		{"repeat penalty", p.RepeatPenalty, 0, math.MaxFloat64},
		{"presence penalty", p.PresencePenalty, -math.MaxFloat64, math.MaxFloat64},
		{"frequency penalty", p.FrequencyPenalty, -math.MaxFloat64, math.MaxFloat64},
	} {
		if f.value >= f.min && f.value <= f.max { // false for NaN
			continue
		}
		want := "a finite number"
		switch {
		case f.max < math.MaxFloat64:
			want = fmt.Sprintf("%v to %v", f.min, f.max)
		case f.min == 0:
			want = "a finite number of at least 0"
		}
		return &RangeError{f.name, floatText(f.value), want}
	}
	if p.TopK < 0 {
		return &RangeError{"top-k", strconv.Itoa(p.TopK), "at least 0 (0 keeps all tokens)"}
	}
	if p.PenaltyWindow < -1 {
		return &RangeError{"penalty window", strconv.Itoa(p.PenaltyWindow), "at least -1 (0 stands for all tokens, -1 for none)"}
	}
	for _, b := range sortedBias(p.LogitBias) {
		if b.id < 0 || int(b.id) >= vocab {
			return fmt.Errorf("logit bias for token %d: the vocabulary has ids 0 to %d", b.id, vocab-1)
		}
		if math.IsNaN(b.value) || math.IsInf(b.value, 1) {
			return fmt.Errorf("logit bias of token %d is %s: want a finite number, or -inf to ban it", b.id, floatText(b.value))
		}
	}
	return nil
}

// floatText writes a number as users do: "inf" and "nan", not "+Inf" and "NaN".
func floatText(v float64) string {
	return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(v, 'g', -1, 64)), "+")
}

type bias struct {
	id    int32
	value float64
}

// sortedBias lists m by id: a map's own order would make errors differ from
// run to run.
func sortedBias(m map[int32]float64) []bias {
	list := make([]bias, 0, len(m))
	for id, v := range m {
		list = append(list, bias{id, v})
	}
	slices.SortFunc(list, func(a, b bias) int { return cmp.Compare(a.id, b.id) })
	return list
}

package sample

import (
	"fmt"
	"math"
)

// LogitError reports a logit that is no number the softmax can take: NaN or
// plus infinity. The computation that made it went wrong.
type LogitError struct {
	ID    int32 // token id, the index into the logits
	Value float32
}

func (e *LogitError) Error() string {
	return fmt.Sprintf("the logit of token %d is %v: the model's output is broken (damaged weights or an overflow)", e.ID, e.Value)
}

// mostLikely returns the token of the largest logit, of equals the first, or the
// error of the first unusable logit. Minus infinity is a token of probability 0.
func mostLikely(logits []float32) (int32, error) {
	at, nan := scan(logits)
	switch {
	case at >= 0 && logits[at] > math.MaxFloat32:
		return 0, &LogitError{int32(at), logits[at]}
	case nan >= 0:
		return 0, &LogitError{int32(nan), logits[nan]}
	case at < 0:
		return 0, fmt.Errorf("no token is left: all %d logits are -Inf", len(logits))
	}
	return int32(at), nil
}

// scan returns the index of the first of the largest numbers, -1 if all are minus
// infinity, and that of the first NaN, -1 if there is none, at which it ends. It
// goes through the whole vocabulary for every token: one by one, or with the
// built-in max, it takes several times as long.
func scan(x []float32) (at, nan int) {
	top := float32(math.Inf(-1))
	at = -1
	for i := 0; i < len(x); {
		if rest := x[i:]; len(rest) >= 4 {
			four := (*[4]float32)(rest)
			// Nearly always so, and never if one of them is NaN.
			if four[0] <= top && four[1] <= top && four[2] <= top && four[3] <= top {
				i += 4
				continue
			}
		}
		switch v := x[i]; {
		case v > top:
			top, at = v, i
		case v != v:
			return at, i
		}
		i++
	}
	return at, -1
}

// logSumExp returns log Σ exp(logits) in float64, shifted by the largest logit
// so that nothing overflows.
func logSumExp(logits []float32) (float64, error) {
	at, err := mostLikely(logits)
	if err != nil {
		return 0, err
	}
	top, sum := logits[at], 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - float64(top))
	}
	return float64(top) + math.Log(sum), nil
}

// LogProb returns the natural log-probability of token id under the softmax of
// logits, [vocabulary] long: logits[id] − log Σ exp(logits), in float64. The
// negative log-likelihood of a text is minus the sum of these.
//
// It fails for an id outside the logits, for a [LogitError] and for logits that
// are all minus infinity.
func LogProb(logits []float32, id int32) (float64, error) {
	if id < 0 || int(id) >= len(logits) {
		return 0, fmt.Errorf("token %d has no logit: there are %d", id, len(logits))
	}
	lse, err := logSumExp(logits)
	if err != nil {
		return 0, err
	}
	return float64(logits[id]) - lse, nil
}

// LogSoftmax writes the log-probability of every token to dst, which is as long
// as logits. Its errors are those of [LogProb].
func LogSoftmax(dst []float64, logits []float32) error {
	if len(dst) != len(logits) {
		return fmt.Errorf("%d log-probabilities for %d logits: want as many", len(dst), len(logits))
	}
	lse, err := logSumExp(logits)
	if err != nil {
		return err
	}
	for i, x := range logits {
		dst[i] = float64(x) - lse
	}
	return nil
}

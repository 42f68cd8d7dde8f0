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

// checkLogits returns the largest logit, or the error of the first unusable
// one. Minus infinity is a token of probability 0.
func checkLogits(logits []float32) (float32, error) {
	top := float32(math.Inf(-1))
	for i, x := range logits {
		if !(x <= math.MaxFloat32) { // NaN compares false
			return 0, &LogitError{int32(i), x}
		}
		top = max(top, x)
	}
	if math.IsInf(float64(top), -1) {
		return 0, fmt.Errorf("no token is left: all %d logits are -Inf", len(logits))
	}
	return top, nil
}

// logSumExp returns log Σ exp(logits) in float64, shifted by the largest logit
// so that nothing overflows.
func logSumExp(logits []float32) (float64, error) {
	top, err := checkLogits(logits)
	if err != nil {
		return 0, err
	}
	sum := 0.0
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

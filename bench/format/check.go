package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/gguf/show"
)

// Limits of what a file of results may state. They are far from what any
// machine measures, and keep all that is computed from it finite.
const (
	maxResults = 5000    // in a file
	maxValues  = 2 << 20 // in a file, about
	maxTokens  = 1 << 30 // of a test
	maxWhole   = 1 << 60 // of any whole number
	maxTime    = 1 << 53 // ns of a repetition
	maxOps     = 100     // of a result, over all phases
	maxNumber  = 1e24
	minNumber  = 1e-24 // but for 0
)

// complete checks results and fills in what other tools leave out.
func complete(r *bench.Report) error {
	if len(r.Results) == 0 {
		return errors.New("has no results")
	}
	if err := checkValue(reflect.ValueOf(r).Elem(), "", false); err != nil {
		return err
	}
	if r.Series.Samples == nil {
		r.Series.Samples = []machine.Sample{}
	}
	for i, res := range r.Results {
		if err := completeResult(res); err != nil {
			return fmt.Errorf("result %d %w", i+1, err)
		}
	}
	return nil
}

// signed are the fields in which a number below 0 has a meaning: all layers,
// degrees, and differences of clocks.
var signed = map[string]bool{"n_gpu_layers": true, "series": true, "harness": true}

var timeType = reflect.TypeFor[time.Time]()

// checkValue checks every number and list in v, whose place in the file is
// path.
func checkValue(v reflect.Value, path string, negative bool) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return checkValue(v.Elem(), path, negative)
		}
	case reflect.Struct:
		if v.Type() != timeType {
			return checkFields(v, path, negative)
		}
	case reflect.Slice:
		for i := range v.Len() {
			at := fmt.Sprintf("%s[%d]", path, i)
			if e := v.Index(i); e.Kind() == reflect.Pointer && e.IsNil() {
				return fmt.Errorf("has null as %s", at)
			} else if err := checkValue(e, at, negative); err != nil {
				return err
			}
		}
	case reflect.Int, reflect.Int64:
		if n := v.Int(); n > maxWhole || n < -maxWhole || n < 0 && !negative {
			return fmt.Errorf("has %s %d: expected 0 to %d", path, n, int64(maxWhole))
		}
	case reflect.Float64:
		x := math.Abs(v.Float())
		if !(x <= maxNumber) || x > 0 && x < minNumber || v.Float() < 0 && !negative {
			return fmt.Errorf("has %s %g: expected 0, or %g to %g", path, v.Float(), minNumber, maxNumber)
		}
	}
	return nil
}

func checkFields(v reflect.Value, path string, negative bool) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			name = path
		case name == "":
			name = field.Name
		}
		if !field.Anonymous && path != "" {
			name = path + "." + name
		}
		if err := checkValue(v.Field(i), name, negative || signed[name[strings.LastIndexByte(name, '.')+1:]]); err != nil {
			return err
		}
	}
	return nil
}

func completeResult(res *bench.Result) error {
	if res.Prompt == 0 && res.Gen == 0 {
		return errors.New("has no test: expected n_prompt or n_gen above 0")
	}
	for _, n := range []int{res.Prompt, res.Gen, res.Depth} {
		if n > maxTokens {
			return fmt.Errorf("has n_prompt, n_gen or n_depth %d: expected 0 to %d tokens", n, maxTokens)
		}
	}
	if res.Engine == "" {
		res.Engine = "llama.cpp"
	}
	if err := completeRates(res); err != nil {
		return err
	}
	for i := range res.Reps {
		if err := checkRep(&res.Reps[i]); err != nil {
			return fmt.Errorf("has a repetition %d %w", i+1, err)
		}
	}
	return checkOps(res)
}

// checkOps checks that the operations of each phase end with their sum.
func checkOps(res *bench.Result) error {
	if n := len(res.Ops); n > maxOps {
		return fmt.Errorf("has %d operations in ops: expected at most %d", n, maxOps)
	}
	for _, ops := range res.OpPhases() {
		for i, op := range ops {
			if last := i == len(ops)-1; len(ops) < 2 || last != (op.Op == bench.AllOps) || last && !(op.NS > 0) {
				return fmt.Errorf("has ops of the phase %s that do not end with their sum: expected operations, and after them one of op %q with ns above 0", show.Quoted(op.Phase), bench.AllOps)
			}
		}
	}
	return nil
}

// completeRates makes the lists of a result's repetitions agree: times, rates
// and what else is known of each.
func completeRates(res *bench.Result) error {
	n := float64(res.Prompt + res.Gen)
	if res.AvgTS == 0 && res.AvgNS > 0 {
		res.AvgTS = n / res.AvgNS * 1e9
	}
	if len(res.SamplesTS) == 0 {
		for _, ns := range res.SamplesNS {
			res.SamplesTS = append(res.SamplesTS, n/float64(ns)*1e9)
		}
	}
	if len(res.SamplesTS) == 0 && res.AvgTS > 0 {
		res.SamplesTS = bench.Sample{res.AvgTS}
	}
	if res.AvgTS == 0 && len(res.SamplesTS) > 0 {
		res.AvgTS, res.StddevTS = res.SamplesTS.Mean(), res.SamplesTS.Stddev()
	}
	if res.MedianTS == 0 {
		res.MedianTS = res.SamplesTS.Median()
	}
	for _, list := range []struct {
		name string
		n    int
	}{{"times in samples_ns", len(res.SamplesNS)}, {"repetitions in reps", len(res.Reps)}} {
		if list.n > 0 && list.n != len(res.SamplesTS) {
			return fmt.Errorf("has %d %s and %d rates in samples_ts: expected as many", list.n, list.name, len(res.SamplesTS))
		}
	}
	for _, rate := range res.SamplesTS {
		if !(rate > 0) || rate > maxNumber {
			return fmt.Errorf("has a rate of %g tokens/s: expected more than 0", rate)
		}
		if n/rate*1e9 > maxTime {
			return fmt.Errorf("has a rate of %g tokens/s, with which its %.0f tokens take longer than %d days", rate, n, maxTime/int64(24*time.Hour))
		}
	}
	if len(res.Reps) == 0 {
		for _, rate := range res.SamplesTS {
			res.Reps = append(res.Reps, bench.Rep{NS: int64(n / rate * 1e9), Prompt: res.Prompt, Gen: res.Gen})
		}
	}
	if len(res.SamplesNS) == 0 {
		for i := range res.Reps {
			res.SamplesNS = append(res.SamplesNS, res.Reps[i].NS)
		}
	}
	if len(res.SamplesTS) == 0 { // lists, not null, where it is written again
		res.SamplesNS, res.SamplesTS = []int64{}, bench.Sample{}
	}
	return nil
}

func checkRep(rep *bench.Rep) error {
	sum := max(rep.NS, rep.TTFT)
	for _, gap := range rep.Gaps {
		if sum <= maxTime {
			sum += min(gap, maxTime)
		}
	}
	// The gaps are a part of the time, and may be as long as all of it.
	if sum > 2*maxTime {
		return fmt.Errorf("of more than %d days", maxTime/int64(24*time.Hour))
	}
	if rep.Prompt > maxTokens || rep.Gen > maxTokens {
		return fmt.Errorf("of more than %d tokens", maxTokens)
	}
	return nil
}

// notRead says what is wrong with text that does not decode as results.
func notRead(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	var when *time.ParseError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("ends in the middle: it was cut off")
	case errors.As(err, &syntax):
		return fmt.Errorf("is no JSON from byte %d on: it was cut off or damaged", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Errorf("has %s as %s: expected %s", show.Quoted(typ.Value), show.Quoted(strings.TrimPrefix(typ.Field, "Report.")), kindText(typ.Type))
	case errors.As(err, &when):
		return fmt.Errorf("has the time %s: expected one such as 2026-01-02T15:04:05Z", show.Quoted(when.Value))
	}
	return err
}

// kindText says what JSON a type is read from.
func kindText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

package jinja

import (
	"errors"
	"fmt"

	"qgo/gguf/show"
)

// What a template may take. The most elaborate templates of published models
// have 40 kB, nest a dozen levels deep and compute some hundred steps a
// message.
const (
	maxSource  = 256 << 10 // bytes of a template
	maxNesting = 200       // levels of brackets, operators and blocks that the parser goes down
	maxDepth   = 1000      // levels of expressions, calls and blocks that are computed within each other
	maxRange   = 100_000   // numbers of a range, as in jinja2's sandbox

	baseSteps    = 1_000_000 // evaluated nodes, and elements that builtins look at
	stepsPerByte = 64        // more of them for each byte of the variables
	baseBytes    = 12 << 20  // strings, lists and output made
	bytesPerByte = 64        // more of them for each byte of the variables
)

// Error is a failure of a template.
type Error struct {
	Line int // where, from 1; 0 if it is no particular line
	Err  error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ErrRaised is in the chain of errors of templates that refuse a conversation
// by raise_exception.
var ErrRaised = errors.New("the template refuses the conversation")

// failure is the panic by which the parser and the evaluator give up. It does
// not leave the package.
type failure struct{ err error }

// Texts in its message come from files, and are shown as such.
func failf(format string, args ...any) {
	for i, a := range args {
		if t, ok := a.(string); ok {
			args[i] = show.Text(t)
		}
	}
	panic(failure{fmt.Errorf(format, args...)})
}

// errInternal is in the chain of errors that are mistakes of this package. They
// end no program, for a template can come from anywhere.
var errInternal = errors.New("the template engine failed")

// caught turns a failure at a line into an error.
func caught(err *error, line *int) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = &Error{*line, r.err}
	default:
		*err = &Error{*line, fmt.Errorf("%w: %v", errInternal, r)}
	}
}

// step counts n steps.
func (s *state) step(n int) {
	if s.steps -= n; s.steps < 0 || n < 0 {
		failf("the template computes for too long and was stopped")
	}
}

// scan counts the steps of looking at n bytes.
func (s *state) scan(n int) { s.step(1 + n/32) }

// take counts n bytes of memory, before they are taken.
func (s *state) take(n int) {
	if s.bytes -= n; s.bytes < 0 || n < 0 {
		failf("the template takes too much memory and was stopped")
	}
}

// enter goes a level deeper; leave comes back.
func (s *state) enter() {
	if s.depth++; s.depth > maxDepth {
		failf("the template goes more than %d levels deep and was stopped", maxDepth)
	}
}

func (s *state) leave() { s.depth-- }

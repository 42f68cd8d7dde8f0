package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
)

// PowerMode is how much power a machine may use: words joined by "+", such as
// "governor=powersave+rapl=15", in the form and order that
// [PowerControl.Parse] gives them, or [AsIs].
type PowerMode string

// AsIs is the mode that changes nothing.
const AsIs PowerMode = "as-is"

// PowerControl sets the power modes of a machine and restores what was before.
type PowerControl struct {
	// Settle is how long the clocks are given after a mode was set.
	Settle time.Duration

	root  string
	open  func(path string, flag int, perm fs.FileMode) (*os.File, error) // [os.OpenFile] but for tests
	knobs []knob                                                          // in the order in which they are set

	mu   sync.Mutex
	undo []undo // in the order in which things were set
}

// knob is one thing that can be set.
type knob interface {
	word() string
	// offer says which values there are, and lack, if there are none, what is
	// missing.
	offer() (values, lack string)
	// blocked is why nothing can be set, empty if it can.
	blocked() string
	// parse returns a value in its usual form.
	parse(value string) (string, error)
	// set sets a value, after it has handed over how to undo that.
	set(ctx context.Context, value string, undone func(undo)) error
}

// undo restores something. It returns what to do by hand beside an error.
type undo func() (byHand string, err error)

// settleTime is the default of [PowerControl].Settle.
const settleTime = time.Second

// NewPowerControl finds what can be set below root, "/" but for tests.
func NewPowerControl(root string) *PowerControl {
	c := &PowerControl{Settle: settleTime, root: root, open: os.OpenFile}
	// nvpmodel comes first: it sets clocks itself.
	c.knobs = []knob{c.findNVPModel(), c.findGovernors(), c.findMaxFreq(), c.findRAPLLimits()}
	return c
}

// Parse reads a list of modes, separated by commas, and checks that each can be
// set on this machine. What is named twice is listed once.
func (c *PowerControl) Parse(list string) (modes []PowerMode, err error) {
	for text := range strings.SplitSeq(list, ",") {
		m, err := c.parse(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w; %s", show.Quoted(text), err, c.offers())
		}
		if !slices.Contains(modes, m) {
			modes = append(modes, m)
		}
	}
	return modes, nil
}

func (c *PowerControl) parse(text string) (PowerMode, error) {
	if text == string(AsIs) {
		return AsIs, nil
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(text, "+") {
		word, value, _ := strings.Cut(part, "=")
		i := slices.IndexFunc(c.knobs, func(k knob) bool { return k.word() == word })
		switch {
		case word == string(AsIs):
			return "", errors.New("as-is changes nothing, and so cannot be joined with other words")
		case i < 0:
			return "", fmt.Errorf("there is no power mode %s", show.Quoted(part))
		case values[word] != "":
			return "", fmt.Errorf("%s is set twice", word)
		case value == "":
			return "", fmt.Errorf("%s needs a value", word)
		}
		k := c.knobs[i]
		if _, lack := k.offer(); lack != "" {
			return "", fmt.Errorf("%s cannot be set: this machine has no %s", word, lack)
		}
		var err error
		if values[word], err = k.parse(value); err != nil {
			return "", err
		}
		if why := k.blocked(); why != "" {
			return "", fmt.Errorf("%s cannot be set: %s", word, why)
		}
	}
	var parts []string
	for _, k := range c.knobs {
		if v := values[k.word()]; v != "" {
			parts = append(parts, k.word()+"="+v)
		}
	}
	return PowerMode(strings.Join(parts, "+")), nil
}

// offers lists the modes of this machine.
func (c *PowerControl) offers() string {
	all, lacks := []string{string(AsIs)}, []string(nil)
	for _, k := range c.knobs {
		values, lack := k.offer()
		if lack != "" {
			lacks = append(lacks, lack)
			continue
		}
		if why := k.blocked(); why != "" {
			values += " (" + why + ")"
		}
		all = append(all, k.word()+"="+values)
	}
	text := "this machine offers " + strings.Join(all, "; ")
	if len(all) == 1 {
		text += " only"
	}
	if len(lacks) > 0 {
		text += "; it has no " + english.WordSeries(lacks, "and no")
	}
	return text
}

// Set sets a mode that Parse has returned, checks that it took, and waits until
// the clocks have settled. [PowerControl.Restore] undoes it, also what an error
// left half done.
func (c *PowerControl) Set(ctx context.Context, m PowerMode) error {
	if m != AsIs {
		if err := c.set(ctx, m); err != nil {
			return fmt.Errorf("the power mode %s was not set: %w", show.Text(string(m)), err)
		}
	}
	select {
	case <-time.After(c.Settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *PowerControl) set(ctx context.Context, m PowerMode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for part := range strings.SplitSeq(string(m), "+") {
		word, value, _ := strings.Cut(part, "=")
		for _, k := range c.knobs {
			if k.word() != word {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := k.set(ctx, value, func(u undo) { c.undo = append(c.undo, u) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// RestoreError says what was not restored, and how to do it by hand.
type RestoreError struct{ faults []string }

func (e *RestoreError) Error() string {
	return "the power mode from before is not restored: " + strings.Join(e.faults, "; ")
}

// Restore sets all that was changed back, the last change first. Its error is
// a [*RestoreError].
func (c *PowerControl) Restore() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var faults []string
	for _, u := range slices.Backward(c.undo) {
		if byHand, err := u(); err != nil {
			faults = append(faults, fmt.Sprintf("%v; by hand: %s", err, byHand))
		}
	}
	c.undo = nil
	if faults != nil {
		return &RestoreError{faults}
	}
	return nil
}

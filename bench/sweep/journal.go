package sweep

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"

	"qgo/bench"
	"qgo/gguf/show"
	"qgo/model/files"
)

// Limits of what a result may hold.
const (
	maxResult = 64 << 20 // bytes
	maxLine   = 1 << 20
	maxNumber = 1e24
)

// Result is what a sweep has measured so far.
type Result struct {
	Header
	Cells []*Cell

	whole int64 // bytes of the lines that are complete
}

// Read reads a result. A last line that was cut off does not count.
func Read(path string) (*Result, error) {
	data, err := read(path, "result of a sweep", maxResult)
	if err != nil {
		return nil, err
	}
	r, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", show.Text(path), err)
	}
	return r, nil
}

func parse(data []byte) (*Result, error) {
	r := &Result{}
	seen := map[key]bool{}
	lines := bufio.NewReader(bytes.NewReader(data))
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the end, or a line that was cut off
			break
		}
		if len(line) > maxLine {
			return nil, fmt.Errorf("line %d is longer than %d MB", n, maxLine>>20)
		}
		if n == 1 {
			if err := json.Unmarshal(line, &r.Header); err != nil || r.Schema != Schema {
				return nil, fmt.Errorf("is no result of a sweep: its first line has no schema %s", Schema)
			}
			if err := r.Plan.check(); err != nil {
				return nil, fmt.Errorf("its plan: %w", err)
			}
		} else {
			c := &Cell{}
			if err := json.Unmarshal(line, c); err != nil {
				return nil, fmt.Errorf("line %d is no cell of a sweep", n)
			}
			if err := r.Plan.checkCell(c); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			if seen[c.key()] {
				return nil, fmt.Errorf("line %d: the same cell twice", n)
			}
			seen[c.key()] = true
			r.Cells = append(r.Cells, c)
		}
		r.whole += int64(len(line))
	}
	if r.Schema == "" {
		return nil, errors.New("is no result of a sweep: it has no whole line")
	}
	return r, nil
}

// checkCell checks what a line says of a cell.
func (p *Plan) checkCell(c *Cell) error {
	if _, err := bench.ParseTest(c.Test); err != nil {
		return err
	}
	if len(c.Engines) != len(p.Engines)+1 || c.Engines[0].Name != "qgo" {
		return fmt.Errorf("has %d engines: expected qgo and the %d of the plan", len(c.Engines), len(p.Engines))
	}
	for i := range p.Engines {
		if c.Engines[i+1].Name != p.Engines[i].Name {
			return fmt.Errorf("has %s as an engine: expected %s", show.Quoted(c.Engines[i+1].Name), show.Quoted(p.Engines[i].Name))
		}
	}
	if len(c.Turns) == 0 {
		return errors.New("has no turns")
	}
	for i := range c.Turns {
		t := &c.Turns[i]
		if len(t.Rates) != len(c.Engines) || !(t.Rates[0] > 0) {
			return fmt.Errorf("turn %d has %d rates: expected one of each of %d engines, and qgo's above 0", i+1, len(t.Rates), len(c.Engines))
		}
		for _, list := range [][]float64{t.Rates, t.Bandwidth, t.Peak, t.Foreign} {
			for _, x := range list {
				if !(x >= 0 && x <= maxNumber) {
					return fmt.Errorf("turn %d has %g: expected 0 to %g", i+1, x, maxNumber)
				}
			}
		}
	}
	if !(c.OfBound >= 0 && c.OfBound < math.MaxInt32) {
		return fmt.Errorf("has share_of_bound %g", c.OfBound)
	}
	return nil
}

// journal is a result that grows line by line.
type journal struct {
	*Result
	file *os.File
}

// openJournal opens the result of a plan: a new one, or one that was broken off,
// which must be of the same plan, machine and build.
func openJournal(path string, h Header) (*journal, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return nil, unwritten(path, err)
		}
		j := &journal{&Result{Header: h}, f}
		if err := j.write(h); err != nil {
			return nil, errors.Join(unwritten(path, err), f.Close())
		}
		return j, nil
	}
	r, err := Read(path)
	if err != nil {
		return nil, err
	}
	if what := differs(&r.Header, &h); what != "" {
		return nil, fmt.Errorf("%s: was begun with another %s: choose another file by --out, or remove this one", show.Text(path), what)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, unwritten(path, err)
	}
	_, err = f.Seek(r.whole, io.SeekStart)
	if err = errors.Join(err, f.Truncate(r.whole)); err != nil {
		return nil, errors.Join(unwritten(path, err), f.Close())
	}
	return &journal{r, f}, nil
}

// differs names what two headers differ in that must be the same within a result.
func differs(a, b *Header) string {
	pa, pb := a.Plan, b.Plan
	pa.tests, pb.tests = nil, nil
	switch {
	case !reflect.DeepEqual(pa.Rule, pb.Rule):
		return "rule"
	case !reflect.DeepEqual(pa, pb):
		return "plan"
	case a.Commit != b.Commit:
		return "build of qgo"
	case a.Machine.CPU != b.Machine.CPU || a.Machine.Threads != b.Machine.Threads || a.GPU != b.GPU:
		return "machine"
	}
	return ""
}

func unwritten(path string, err error) error {
	return fmt.Errorf("%s cannot be written: %w", show.Text(path), files.Reason(err))
}

// add adds a cell.
func (j *journal) add(c *Cell) error {
	if err := j.write(c); err != nil {
		return unwritten(j.file.Name(), err)
	}
	j.Cells = append(j.Cells, c)
	return nil
}

func (j *journal) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return errors.Join(err, j.file.Sync())
}

// done reports whether a cell has been measured.
func (j *journal) done(k key) bool {
	for _, c := range j.Cells {
		if c.key() == k {
			return true
		}
	}
	return false
}

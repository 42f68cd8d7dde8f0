package sweep

import (
	"time"

	"qgo/bench/machine"
)

// Schema is the version of a result's lines; docs/bench.md describes them.
const Schema = "qgo.sweep/1"

// Header is the first line of a result: what is to be measured, and by which rule
// it is to be graded, before anything was.
type Header struct {
	Schema  string       `json:"schema"`
	Started time.Time    `json:"started"`
	Commit  string       `json:"commit"` // of qgo
	Machine machine.Info `json:"machine"`
	GPU     string       `json:"gpu,omitempty"`
	Plan    Plan         `json:"plan"`
}

// Cell is each further line: a model in a test, with some number of threads,
// beside so many busy loops.
type Cell struct {
	Model   string `json:"model"` // the file's name
	Type    string `json:"model_type"`
	Size    int64  `json:"model_size"` // of the file in bytes
	Test    string `json:"test"`
	Threads int    `json:"n_threads"`
	Busy    int    `json:"busy"`
	Kernels string `json:"kernels"` // of qgo

	Started time.Time   `json:"started"`
	Seconds float64     `json:"seconds"`         // that the cell took
	Binds   string      `json:"binds,omitempty"` // memory, compute or launches
	OfBound float64     `json:"share_of_bound,omitempty"`
	Engines []EngineRun `json:"engines"` // qgo is the first
	Turns   []Turn      `json:"turns"`
}

// EngineRun is what is known of an engine in a cell.
type EngineRun struct {
	Name  string `json:"name"`
	Build string `json:"build,omitempty"` // commit or number
	Late  int    `json:"late,omitempty"`  // turns that it did not do in time
	Error string `json:"error,omitempty"` // why it gave no result
}

// Turn is one repetition by each engine, one after the other.
type Turn struct {
	Rates []float64 `json:"rates"` // tokens a second, in the order of the engines; 0 for none
	// Bandwidth and Peak were probed before qgo's repetition, after it, and after
	// the last engine's: bytes and operations a second. Peak is empty on a GPU.
	Bandwidth []float64 `json:"bandwidth"`
	Peak      []float64 `json:"peak,omitempty"`
	// Foreign are the shares of the CPUs' time that others took in qgo's and in
	// the other engines' part of the turn; empty if they are not known.
	Foreign []float64 `json:"foreign,omitempty"`
}

// key is what a cell is told apart by.
type key struct {
	model, test   string
	threads, busy int
}

func (c *Cell) key() key { return key{c.Model, c.Test, c.Threads, c.Busy} }

// Name names a cell but for its test.
func (c *Cell) Name() string {
	k := c.key()
	return k.name()
}

package plan

import "time"

// Op is an operation of a pass, or what else its time goes to.
type Op int

// The operations, in the order of a pass.
const (
	OpEmbedding Op = iota // the rows of the tokens
	OpNorm                // RMSNorm, and activations quantised for the next matrix
	OpQKV                 // projections of queries, keys and values
	OpRope                // rotation of queries and keys, and keys and values stored
	OpAttention
	OpOutput // projection of attention's output
	OpGateUp // with their product
	OpDown
	OpHead
	OpSampling
	OpWait  // workers without items, until the others have done theirs
	OpOther // what is none of these

	Ops // their number
)

var opNames = [Ops]string{
	"embedding", "norm", "qkv", "rope_kv", "attention", "attn_output", "gate_up", "down", "head", "sampling", "wait", "other",
}

// String names the operation, as results do.
func (op Op) String() string { return opNames[op] }

// OpTimes are times by operation. What several workers take at once is counted
// as their mean, so that the times add up to that of the pass.
type OpTimes [Ops]time.Duration

// Sum is the time of all operations.
func (t *OpTimes) Sum() (sum time.Duration) {
	for _, d := range t {
		sum += d
	}
	return sum
}

// Add adds the times of o.
func (t *OpTimes) Add(o OpTimes) {
	for op, d := range o {
		t[op] += d
	}
}

// Profiler is a stage that can say where the time of its Run goes.
type Profiler interface {
	// Profile begins to count from nothing, or ends it.
	Profile(on bool)
	// OpTimes returns what has been counted, and begins from nothing again.
	OpTimes() OpTimes
}

package cpu

import (
	"context"

	"qgo/kernels"
	"qgo/kernels/plan"
)

// course says how far a batch is. Only worker 0 changes it.
type course struct {
	ends  [plan.Ops]float64 // of the operations, as shares of a block
	block float64           // share of the batch that a block is
	at    float64           // share of the batch at the beginning of the block
	done  float64           // share of the batch that was reported
}

// plan estimates the shares of the operations that take a block's time by their
// multiplications.
func (c *course) plan(p plan.Plan, spans []plan.Span, outputs int) {
	var rows, pairs int
	for _, s := range spans {
		rows += s.N
		pairs += s.N*s.Pos + s.N*(s.N+1)/2
	}
	width := float64(p.Width)
	costs := [plan.Ops]float64{
		plan.OpQKV: width * float64(p.QDim()+2*p.KVDim()), plan.OpAttention: 2 * float64(p.QDim()) * float64(pairs) / float64(rows),
		plan.OpOutput: width * float64(p.QDim()), plan.OpGateUp: 2 * width * float64(p.FFN), plan.OpDown: width * float64(p.FFN),
	}
	sum := 0.0
	for op, cost := range costs {
		sum += cost
		c.ends[op] = sum
	}
	for op := range c.ends {
		c.ends[op] /= sum
	}
	all := sum * float64(len(p.Blocks)*rows)
	if p.Head != nil {
		all += width * float64(p.Vocab) * float64(outputs)
	}
	c.block, c.at, c.done = sum*float64(rows)/all, 0, 0
}

// look ends the job when its context has ended, and reports how far it is.
// Worker w is about to do item lo of n of an operation; of the workers, worker 0
// speaks for all, whose share are the first items. Single rows are soon done.
func (p *pass) look(w *kernels.Worker, op plan.Op, lo, n int) {
	if w.ID != 0 || p.rows() == 1 {
		return
	}
	p.stopped(w)
	if p.progress == nil {
		return
	}
	begin := 0.0
	if op > 0 {
		begin = p.ends[op-1]
	}
	share := min(float64(lo)*float64(w.Of)/float64(n), 1)
	p.report(p.at + p.course.block*(begin+share*(p.ends[op]-begin)))
}

// lookHead is look for the head, after that many of the wanted rows.
func (p *pass) lookHead(w *kernels.Worker, lo, n, rows int) {
	if w.ID != 0 || p.rows() == 1 {
		return
	}
	p.stopped(w)
	if p.progress != nil {
		share := (float64(rows) + float64(lo)*float64(w.Of)/float64(n)) / float64(len(p.outputs))
		p.report(p.at + (1-p.at)*min(share, 1))
	}
}

// report reports a share of the batch that is done, if it has grown.
func (p *pass) report(share float64) {
	if share > p.done {
		p.done = share
		p.progress(share)
	}
}

// stopped ends the job when its context has ended.
func (p *pass) stopped(w *kernels.Worker) {
	if p.ctx.Err() != nil {
		w.Abort(context.Cause(p.ctx))
	}
}

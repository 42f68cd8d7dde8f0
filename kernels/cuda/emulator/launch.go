package emulator

import (
	"errors"
	"slices"

	"qgo/kernels/cuda/driver"
)

// call is a launch that is to run.
type call struct {
	name          string
	shared        int
	grid, threads int
	args          []byte
}

type module struct{ c *Context }

// Load returns the kernels that the emulator was compiled with.
func (c *Context) Load(string) (driver.Module, error) { return module{c}, c.wait() }

func (m module) Function(name string) (driver.Function, error) {
	m.c.pending.Wait()
	if err := m.c.find(name); err != nil {
		return nil, &driver.Error{Call: "cuModuleGetFunction", What: name, Err: err}
	}
	return &function{name: name}, nil
}

func (c *Context) find(name string) error {
	c.found = name
	return c.send(1, uint64(len(name)), 0, 0, []byte(name))
}

type function struct {
	name   string
	shared int
}

func (f *function) Occupancy(int) (int, error) { return resident, nil }

func (f *function) Share(bytes int) error {
	f.shared = bytes
	return nil
}

func (f *function) Shared() int { return f.shared }

// graph is launches that are run one after the other.
type graph struct {
	c   *Context
	all []driver.Launch
}

// Graph copies launches.
func (c *Context) Graph(launches []driver.Launch) (driver.Graph, error) {
	if c.NoGraphs {
		return nil, errors.New("no graphs")
	}
	all := slices.Clone(launches)
	for i := range all {
		all[i].Args = slices.Clone(all[i].Args)
	}
	return &graph{c, all}, c.wait()
}

func (g *graph) Run() error {
	g.c.Graphs++
	for _, l := range g.all {
		if err := l.F.Share(l.Shared); err != nil {
			return err
		}
		if err := g.c.Launch(l.F, l.Grid, l.Threads, l.Args); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) Close() error {
	g.all = nil
	return nil
}

// Launch runs a kernel to its end, or has it run later.
func (c *Context) Launch(f driver.Function, grid, threads int, args []byte) error {
	l := call{f.(*function).name, f.(*function).shared, grid, threads, args}
	c.Launches++
	c.Kernels[l.name]++
	if c.Launches == c.o.FailLaunch {
		c.pending.Wait()
		c.lost = &driver.Error{Call: "cuLaunchKernel", What: l.name, Err: errors.New("LaunchFailed")}
	}
	if !c.o.Late {
		c.run(l)
		return c.lost
	}
	l.args = slices.Clone(args)
	c.pending.Add(1)
	c.late <- l
	return nil // what fails shows when it is waited for
}

func (c *Context) run(l call) {
	var err error
	if c.found != l.name {
		err = c.find(l.name)
	}
	if err == nil {
		err = c.send(2, uint64(len(l.args)), uint64(l.grid), uint64(l.threads)|uint64(l.shared)<<32, l.args)
	}
	if err != nil && c.lost == nil {
		c.lost = &driver.Error{Call: "cuLaunchKernel", What: l.name, Err: err}
	}
}

// runLate runs launches as they come.
func (c *Context) runLate() {
	for l := range c.late {
		c.run(l)
		c.pending.Done()
	}
}

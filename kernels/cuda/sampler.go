package cuda

// An event holds up the launches around it by some microseconds, and reading it
// costs the host as much again. So only some layers of some passes carry events.
const (
	// A pass of sampledRows takes so long that several layers may carry events:
	// one in layersStep.
	sampledRows, layersStep = 256, 6
	// In passes of fewer rows, such as those of decode, only one layer carries
	// events, and that in one pass of passesStep.
	passesStep = 8
)

// sampler decides which layers of which passes carry events. They take turns, so
// that each is sampled as often as every other.
type sampler struct {
	many            bool // passes have many rows
	passes, sampled int  // since the last restart
	turns           int  // sampled passes of all times
}

// next begins a pass, and reports whether it carries events. The first one after
// a restart does.
func (s *sampler) next() bool {
	carries := s.many || s.passes%passesStep == 0
	s.passes++
	if carries {
		s.sampled++
		s.turns++
	}
	return carries
}

// samples reports whether layer i of n carries events, in a pass that does.
func (s *sampler) samples(i, n int) bool {
	step := n
	if s.many {
		step = min(n, layersStep)
	}
	return i%step == (s.turns-1)%step
}

// restart counts passes from nothing. Turns go on, as only one pass may lie
// between two restarts.
func (s *sampler) restart() { s.passes, s.sampled = 0, 0 }

package bench

import (
	"math"

	"qgo/bench/machine"
)

// Line is a fit over several models: the time of a decoded token against the bytes
// that it reads is a line, whose slope is the bandwidth that the engine reaches and
// whose start is what a token costs whatever it reads.
type Line struct {
	Engine    string            `json:"engine"`
	Device    string            `json:"device"`
	Power     machine.PowerMode `json:"power_mode,omitempty"`
	Test      Test              `json:"test"`
	Models    int               `json:"models"`
	Bandwidth float64           `json:"bytes_per_second"`
	Fixed     float64           `json:"seconds_per_token"`
	// Worst is the largest deviation of a model's time from the line, as a share.
	Worst float64 `json:"worst"`
}

// leastModels is the number of models that a line needs: two always lie on one.
const leastModels = 3

// Lines fits a line, by least squares of the relative deviations, to each test of
// decode that at least three models of different sizes have done on the same
// devices.
func Lines(results []*Result) (all []Line) {
	type key struct {
		engine, device string
		power          machine.PowerMode
		test           Test
	}
	byKey := map[key][]*Result{}
	var order []key
	for _, r := range results {
		if !r.Decodes() || r.Cost == nil || !(r.Rates().Median() > 0) {
			continue
		}
		k := key{r.Engine, r.Devices(), r.PowerMode, r.Test()}
		if byKey[k] == nil {
			order = append(order, k)
		}
		byKey[k] = append(byKey[k], r)
	}
	for _, k := range order {
		if l, ok := fitLine(byKey[k]); ok {
			l.Engine, l.Device, l.Power, l.Test = k.engine, k.device, k.power, k.test
			all = append(all, l)
		}
	}
	return all
}

// fitLine fits time = Fixed + bytes/Bandwidth, each point weighted by 1/time².
func fitLine(results []*Result) (l Line, ok bool) {
	var s, sx, sy, sxx, sxy float64
	sizes := map[float64]bool{}
	for _, r := range results {
		x, y := r.work(*r.Cost).Bytes, 1/r.Rates().Median()
		w := 1 / (y * y)
		sizes[x] = true
		s, sx, sy, sxx, sxy = s+w, sx+w*x, sy+w*y, sxx+w*x*x, sxy+w*x*y
	}
	slope := (s*sxy - sx*sy) / (s*sxx - sx*sx)
	if len(sizes) < leastModels || !(slope > 0) {
		return l, false
	}
	l = Line{Models: len(sizes), Bandwidth: 1 / slope, Fixed: (sy - slope*sx) / s}
	for _, r := range results {
		at := l.Fixed + slope*r.work(*r.Cost).Bytes
		l.Worst = max(l.Worst, math.Abs(at*r.Rates().Median()-1))
	}
	return l, true
}

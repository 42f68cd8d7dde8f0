package bench

import (
	"context"
	"strings"
	"testing"

	"qgo/bench/roofline"
	"qgo/model"
	"qgo/tensor"
)

// TestHasRoom checks what is said of a context that has no room.
func TestHasRoom(t *testing.T) {
	s, err := roofline.OutlineByName(synthetic, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fit, err := s.Fit(16_000_576, 4e9)
	if err != nil {
		t.Fatal(err)
	}
	longest := fit.LongestContext
	if longest < 32768 {
		t.Fatalf("in 4 GB only %d tokens have room", longest)
	}
	if fit, err = s.Fit(longest, 4e9); err != nil || !fit.Fits() {
		t.Errorf("%d tokens do not fit: %+v, %v", longest, fit, err)
	}
	if fit, err = s.Fit(longest+256, 4e9); err != nil || fit.Fits() {
		t.Errorf("%d tokens fit, too: %+v, %v", longest+256, fit, err)
	}
	for _, c := range []struct {
		context   int
		available int64
		want      string // "" for no error
	}{
		{4096, 4e9, ""},
		{16_000_576, 4e9, "4.0 GB are available, enough for "},
		{16_000_576, 1e6, "1.0 MB are available, too few for any"},
		{1 << 25, 4e9, "4.0 GB are available, enough for "},
	} {
		err := hasRoom(s, c.context, c.available)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%d tokens in %d bytes: %v, want %q", c.context, c.available, err, c.want)
		}
	}
}

// TestSurveyFirst expects that what has no room is known before anything is
// measured.
func TestSurveyFirst(t *testing.T) {
	available, known := tensor.Available()
	if !known {
		available = 0 // nothing is refused, but the context that is too long for any
	}
	p := planOf(Test{Gen: 4}, Test{Gen: 4, Depth: 1 << 28})
	p.Progress = func(s Status) { t.Errorf("%d bytes available: %+v", available, s) }
	r, err := p.Run(context.Background())
	if err == nil || len(r.Results)+len(r.Ceilings) != 0 || !strings.Contains(err.Error(), "a context of 268435524") {
		t.Errorf("%v, %+v", err, r)
	}
	p.Options.Context = 4096
	if _, err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "tg4 @ d268435456 needs a context of 268435460: --ctx is 4096") {
		t.Errorf("more than --ctx: %v", err)
	}
}

package bench

import (
	"testing"

	"qgo/bench/roofline"
	"qgo/tensor"
)

// TestWithin takes limits of the program, and only those, for the memory that a
// model may take.
func TestWithin(t *testing.T) {
	for _, c := range []struct {
		limit tensor.Limit
		want  int64
		title string
	}{
		{tensor.Limit{Bytes: 400e6, Source: tensor.SourceContainer}, 400e6, "A CPU; memory: the container's limit"},
		{tensor.Limit{Bytes: 700e6, Source: tensor.SourceAddresses}, 700e6, "A CPU; memory: ulimit -v"},
		{tensor.Limit{Bytes: 8e9, Source: tensor.SourceContainer}, 3.5e9, "A CPU"},
		{tensor.Limit{Bytes: 400e6, Source: tensor.SourceFree}, 3.5e9, "A CPU"},
	} {
		m := roofline.Machine{Title: "A CPU", Memory: 4e9, Reserved: 0.5e9}
		within(&m, c.limit)
		if m.Available() != c.want || m.Title != c.title {
			t.Errorf("%+v: %d bytes of %q, want %d of %q", c.limit, m.Available(), m.Title, c.want, c.title)
		}
	}
}

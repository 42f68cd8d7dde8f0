package html

import (
	"fmt"
	"gonum.org/v1/plot/vg/vgimg"
	"os"
	"qgo/bench"
	"qgo/bench/format"
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	var rs []*bench.Report
	for _, f := range strings.Split(os.Getenv("DUMP"), ",") {
		r, err := format.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	for i, f := range figures(rs) {
		if err := save(f, fmt.Sprintf("/tmp/c/plots/%d.png", i)); err != nil {
			t.Fatal(err)
		}
		fmt.Println(i, f.title)
	}
}
func save(f figure, path string) error {
	c := vgimg.PngCanvas{Canvas: vgimg.New(f.width, f.height)}
	f.draw(c)
	o, err := os.Create(path)
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = c.WriteTo(o)
	return err
}

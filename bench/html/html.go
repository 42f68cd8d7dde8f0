// Package html writes reports as one HTML page with plots, which needs no
// network.
package html

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"time"

	"gonum.org/v1/plot/vg/vgsvg"

	"qgo/bench"
	"qgo/gguf/show"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"f1":      func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"pct":     func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) },
	"gb":      func(v int64) string { return fmt.Sprintf("%.2f GB", float64(v)/1e9) },
	"gbs":     func(v float64) string { return fmt.Sprintf("%.1f", v/1e9) },
	"us":      func(rate float64) string { return fmt.Sprintf("%.2f", 1e6/rate) },
	"threads": bench.Threads,
	"text":    show.Text,
	"lines":   show.Lines,
	"day":     func(t time.Time) string { return t.Format("2006-01-02 15:04 MST") },
}).Parse(source))

// Write writes the page for reports of one or several machines.
func Write(w io.Writer, reports []*bench.Report) error {
	if len(reports) == 0 {
		return fmt.Errorf("there are no results to report")
	}
	type picture struct {
		Title, Caption string
		SVG            template.HTML
	}
	var data struct {
		Reports  []*bench.Report
		Pictures []picture
		Left     int // results that are in no plot
	}
	data.Reports = reports
	var all []*figure
	all, data.Left = figures(reports)
	for _, f := range all {
		svg, err := f.svg()
		if err != nil {
			return fmt.Errorf("plot %q: %w", f.title, err)
		}
		data.Pictures = append(data.Pictures, picture{f.title, f.caption, svg})
	}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// prolog is what a file of SVG has and a page must not.
var prolog = regexp.MustCompile(`(?s)^.*?<svg`)

// svg draws the figure. Its texts are escaped by the library.
func (f *figure) svg() (template.HTML, error) {
	c := vgsvg.New(f.width, f.height)
	f.draw(c)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	return template.HTML(prolog.ReplaceAll(b.Bytes(), []byte("<svg"))), nil
}

// Package html writes reports as one HTML page with plots, which needs no
// network. What the plots show is prepared here; charts.js draws it with
// Observable Plot.
package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"qgo/bench"
	"qgo/gguf/show"
)

//go:generate sh assets/build.sh

var (
	//go:embed page.html
	source string
	//go:embed assets/plot.min.js
	plotJS string
	//go:embed assets/charts.js
	chartsJS string
)

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"gb":      func(v int64) string { return fmt.Sprintf("%.2f GB", float64(v)/1e9) },
	"gbs":     func(v float64) string { return fmt.Sprintf("%.1f", v/1e9) },
	"us":      func(rate float64) string { return fmt.Sprintf("%.2f", 1e6/rate) },
	"threads": bench.Threads,
	"text":    show.Text,
	"facts":   facts,
	"peaks":   peaks,
	"opHeads": func() []string { return bench.OpHeads },
}).Parse(source))

// policy lets the page run its own two scripts and load nothing.
var policy = fmt.Sprintf("default-src 'none'; script-src %s %s; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'", hash(plotJS), hash(chartsJS))

// hash is a script's source in a Content-Security-Policy.
func hash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// limits are how much of what files can hold a page shows.
type limits struct {
	sections, rows, notes, bounds, ceilings int
	runs                                    int // results in plots
	points                                  int // of a series
	own                                     int // reports with plots of their own
	ops                                     int // phases whose operations are shown
}

// maxPage is the size of a page in bytes at most.
const maxPage = 1 << 20 * 95 / 100

// fewest is the number of points of a series below which it is not thinned.
const fewest = 4

// tries is how often a page is made smaller: after that nothing is left to halve.
const tries = 24

// maxRuns is the number of results that plots show: of more nobody could tell
// one from another.
const maxRuns = 200

// Write writes the page for reports of one or several machines. names are those
// of the files that they were read from, if they were.
func Write(w io.Writer, reports []*bench.Report, names ...string) error {
	if len(reports) == 0 {
		return fmt.Errorf("there are no results to report")
	}
	all := runs(reports, names)
	l := limits{sections: 40, rows: 5000, notes: 20, bounds: 60, ceilings: 64, runs: maxRuns, points: 1000, own: 8, ops: 24}
	for try := 1; ; try++ {
		b, plots, err := write(reports, names, all, l)
		if err != nil {
			return err
		}
		if b.Len() <= maxPage || try == tries {
			_, err = w.Write(b.Bytes())
			return err
		}
		l.less(b.Len()-plots-len(plotJS)-len(chartsJS), plots)
	}
}

// less halves what takes most of a page, of the tables and the plots, which have
// so many bytes.
func (l *limits) less(tables, plots int) {
	of := []*int{&l.sections, &l.rows, &l.notes, &l.bounds, &l.ceilings, &l.ops}
	if plots > tables {
		of = []*int{&l.runs, &l.own, &l.ops}
		l.points = max(l.points/2, fewest)
	}
	for _, n := range of {
		*n = max(*n/2, 1)
	}
}

// write makes a page, and says how many of its bytes are the plots' data.
func write(reports []*bench.Report, names []string, all []run, l limits) (b *bytes.Buffer, plots int, err error) {
	var data struct {
		Policy       string
		Plot, Script template.JS
		Sections     []*section
		More         int // reports without a section
		Left         int // results that are in no plot
		Impossible   []string
		Charts       []*chart
		Data         json.RawMessage
	}
	data.Policy, data.Plot, data.Script = policy, template.JS(plotJS), template.JS(chartsJS)
	for i, r := range reports {
		if len(data.Sections) == l.sections {
			data.More = len(reports) - i
			break
		}
		file := ""
		if i < len(names) {
			file = show.Text(filepath.Base(names[i]))
		}
		data.Sections = append(data.Sections, newSection(r, of(i, all), file, l))
	}
	if data.Left = max(len(all)-l.runs, 0); data.Left > 0 {
		all = all[:l.runs]
	}
	data.Impossible = impossible(all)
	data.Charts = charts(reports, names, all, l)
	if data.Data, err = json.Marshal(data.Charts); err != nil {
		return nil, 0, err
	}
	b = new(bytes.Buffer)
	return b, len(data.Data), page.Execute(b, data)
}

// of are the results of one report.
func of(source int, all []run) []run {
	return slices.DeleteFunc(slices.Clone(all), func(r run) bool { return r.source != source })
}

// impossible lists the results that are drawn apart.
func impossible(all []run) (texts []string) {
	name := namer(all)
	for _, r := range all {
		if r.apart {
			texts = append(texts, fmt.Sprintf("%s: %s tokens/s", name(r), number(r.rate())))
		}
	}
	const most = 20
	if more := len(texts) - most; more > 0 {
		texts = append(texts[:most], fmt.Sprintf("and %d more", more))
	}
	return texts
}

// charts makes all plots for which there are data.
func charts(reports []*bench.Report, names []string, all []run, l limits) (list []*chart) {
	add := func(c *chart, where string) {
		if c != nil {
			if where != "" {
				c.Title += ", " + where
			}
			c.Caption += marked(c.Marks)
			c.thin(l.points)
			list = append(list, c)
		}
	}
	each := func(make func(*bench.Report, []run) *chart) {
		for i, r := range reports[:min(len(reports), l.own)] {
			where := gpu(r)
			if len(reports) > 1 {
				where = machineTitle(r)
				if on := gpu(r); on != "" {
					where += ", " + on
				}
				if i < len(names) {
					where += " (" + show.Text(filepath.Base(names[i])) + ")"
				}
			}
			add(make(r, of(i, all)), where)
		}
	}
	add(platformChart(all), "")
	for _, c := range sweepCharts(all) {
		add(c, "")
	}
	each(rooflineChart)
	each(memoryChart)
	add(opsChart(all, l.ops), "")
	for _, make := range []func([]run) *chart{sizeChart, ttftChart, itlChart, heatChart} {
		add(make(all), "")
	}
	add(energyChart(all), "")
	for _, make := range []func(*bench.Report, []run) *chart{bandwidthChart, temperatureChart, clockChart, powerChart} {
		each(make)
	}
	return list
}

// gpu is what titles say of the GPU that was used.
func gpu(r *bench.Report) string {
	if r.GPU == nil || strings.TrimSpace(r.GPU.Name) == "" {
		return ""
	}
	return show.Text(r.GPU.Name)
}

// marked says in words what marks across a plot stand for.
func marked(marks []mark) string {
	const most = 6
	marks = slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.Quiet })
	var texts []string
	for _, m := range marks {
		if m.X != nil && len(texts) < most {
			texts = append(texts, "at "+number(*m.X)+" s "+m.Text)
		}
	}
	if texts == nil {
		return ""
	}
	if more := len(marks) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return " Marked: " + strings.Join(texts, "; ") + "."
}

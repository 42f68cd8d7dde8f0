package sweep

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
	"qgo/model/files"
)

// Markdown writes a result as text and a table for a document.
func (r *Result) Markdown() string {
	var b strings.Builder
	all := r.Grade()
	if r.Plan.Title != "" {
		fmt.Fprintf(&b, "**%s.** ", cell(r.Plan.Title))
	}
	fmt.Fprintf(&b, "%s, qgo %s, %s. %s", cell(r.On()), cell(r.Commit), r.Started.Format("2 January 2006"), Count(all))
	if n := r.Missing(); n > 0 {
		fmt.Fprintf(&b, " %s of the plan not measured yet.", english.Plural(n, "cell is", "cells are"))
	}
	fmt.Fprintf(&b, "\n\nThe rule was written before: %s\n\n", r.Plan.Rule.Words())
	b.WriteString("| model | test | threads |")
	busy := len(r.Plan.Busy) > 1 || r.Plan.Busy[0] > 0
	if busy {
		b.WriteString(" busy loops |")
	}
	b.WriteString(" qgo, t/s | of its bound |")
	for _, e := range r.Plan.Engines {
		fmt.Fprintf(&b, " %s, t/s | qgo of it |", cell(e.Name))
	}
	b.WriteString(" grade |\n")
	columns := 6 + 2*len(r.Plan.Engines)
	if busy {
		columns++
	}
	b.WriteString(strings.Repeat("|---", columns) + "|\n")
	for i := range all {
		g := &all[i]
		fmt.Fprintf(&b, "| %s | %s | %d |", cell(strings.TrimSuffix(g.Model, ".gguf")), cell(g.Test), g.Threads)
		if busy {
			fmt.Fprintf(&b, " %d |", g.Busy)
		}
		fmt.Fprintf(&b, " %s | %s |", rate(g.Verdicts[0].Ours), share(g.OfBound))
		for j := range g.Verdicts {
			fmt.Fprintf(&b, " %s | %s |", rate(g.Verdicts[j].Rate), g.Verdicts[j].ratio())
		}
		fmt.Fprintf(&b, " %s |\n", bold(g.Best().Grade))
	}
	b.WriteString(notes(all))
	return b.String()
}

// On names what a result was measured on.
func (h *Header) On() string {
	text := fmt.Sprintf("%s with %s", h.Machine.CPU, english.Plural(h.Machine.Threads, "logical CPU", ""))
	if h.Plan.Device != "cpu" && h.GPU != "" {
		text = h.GPU + ", " + text
	}
	return text
}

// notes are what the table has no room for.
func notes(all []Graded) string {
	var b strings.Builder
	for i := range all {
		g := &all[i]
		var engines, texts []string
		for j := range g.Verdicts {
			v := &g.Verdicts[j]
			text := v.note(g.Binds)
			if n := len(texts); n > 0 && texts[n-1] == text {
				engines[n-1] += " and " + v.Engine
			} else if text != "" {
				engines, texts = append(engines, v.Engine), append(texts, text)
			}
		}
		for j, text := range texts {
			fmt.Fprintf(&b, "- %s, against %s: %s\n", cell(g.Name()+", "+g.Test), cell(engines[j]), cell(text))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nWhy cells are void, and the ratios by state where there were two:\n\n" + b.String()
}

// note says why a cell is void, and the ratios by state.
func (v *Verdict) note(binds string) string {
	var texts []string
	if v.Reason != "" && !v.late() {
		texts = append(texts, fmt.Sprintf("%s: %s", v.Grade, v.Reason))
	}
	for i := range v.ByState {
		texts = append(texts, v.ByState[i].Words(binds))
	}
	return strings.Join(texts, "; ")
}

// cell is text that stands in a table's cell.
func cell(s string) string {
	var parts []string
	for s != "" { // in pieces, as long texts are cut
		n := min(len(s), 60)
		parts, s = append(parts, show.Text(s[:n])), s[n:]
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "`", "'", "[", `\[`, "_", `\_`).Replace(strings.Join(parts, ""))
}

func rate(r float64) string {
	switch {
	case r <= 0:
		return ""
	case r < 100:
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

func share(s float64) string {
	if s <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*s)
}

// late reports a win over an engine that gave no result in time.
func (v *Verdict) late() bool { return v.Grade == Ahead && v.Ratio.Pairs == 0 }

// ratio is a verdict's ratio with its interval, and its grade if that is no win.
func (v *Verdict) ratio() string {
	switch {
	case v.late():
		return v.Reason
	case v.Ratio.Pairs == 0:
		return string(v.Grade)
	}
	text := fmt.Sprintf("%.2f", v.Ratio.Ratio)
	if b := Bounds(v.Ratio); b != "" {
		text += " (" + b + ")"
	}
	if v.Grade != Ahead {
		text += ", " + string(v.Grade)
	}
	return text
}

func bold(g Grade) string {
	if g == Ahead {
		return string(g)
	}
	return "**" + string(g) + "**"
}

// Marks around what Update writes: the first names the result's file, beside the
// document.
const (
	mark    = "<!-- sweep: "
	markEnd = " -->\n"
	endMark = "<!-- /sweep -->"
)

// Update puts the results that a document names into it: each stands between
// <!-- sweep: FILE --> and <!-- /sweep -->, where FILE is relative to dir.
func Update(doc []byte, dir string) ([]byte, error) {
	var out bytes.Buffer
	found := false
	for {
		before, rest, ok := bytes.Cut(doc, []byte(mark))
		if out.Write(before); !ok {
			break
		}
		name, rest, okName := bytes.Cut(rest, []byte(markEnd))
		_, rest, okEnd := bytes.Cut(rest, []byte(endMark))
		if !okName || !okEnd || bytes.ContainsAny(name, "\n") {
			return nil, fmt.Errorf("a mark is not closed: expected %sFILE%sand below %s on lines of their own", mark, strings.TrimSuffix(markEnd, "\n")+" ", endMark)
		}
		r, err := Read(filepath.Join(dir, string(name)))
		if err != nil {
			return nil, err
		}
		found = true
		fmt.Fprintf(&out, "%s%s%s\n%s\n%s", mark, name, markEnd, r.Markdown(), endMark)
		doc = rest
	}
	if !found {
		return nil, fmt.Errorf("has no mark %sFILE%s, which names a result of a sweep", mark, strings.TrimSuffix(markEnd, "\n"))
	}
	return out.Bytes(), nil
}

// UpdateFile is Update of a file.
func UpdateFile(path string) error {
	doc, err := read(path, "document", maxResult)
	if err != nil {
		return err
	}
	doc, err = Update(doc, filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("%s: %w", show.Text(path), err)
	}
	return files.Replace(path, func(w io.Writer) error {
		_, err := w.Write(doc)
		return err
	})
}

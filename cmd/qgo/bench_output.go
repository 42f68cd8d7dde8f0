package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/bench/html"
	"qgo/model/files"
)

// outputs are the files that a report goes to.
type outputs struct {
	path, html string
	pending    map[string]*os.File // by path, under a temporary name
}

func (o *outputs) add(f *pflag.FlagSet) {
	f.StringVar(&o.path, "out", "", "file for the results, in the form that --output says (text: json)")
	f.StringVar(&o.html, "report", "", "file for a report as one HTML page with plots")
}

// open makes sure that all files can be written before anything is measured.
func (o *outputs) open() error {
	o.pending = map[string]*os.File{}
	for _, path := range []string{o.path, o.html} {
		if path == "" {
			continue
		}
		f, err := create(path)
		if err != nil {
			o.abandon()
			return notWritten(path, err)
		}
		o.pending[path] = f
	}
	return nil
}

// notWritten says what the system does about writing a file; the temporary name
// is of no use to anybody.
func notWritten(path string, err error) error {
	return fmt.Errorf("%s cannot be written: %w", path, files.Reason(err))
}

// create opens a file under a temporary name beside path; what is no regular
// file, such as a pipe, is opened itself.
func create(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
}

// abandon removes what was not finished.
func (o *outputs) abandon() {
	for path, f := range o.pending {
		_ = f.Close()
		if f.Name() != path {
			_ = os.Remove(f.Name())
		}
		delete(o.pending, path)
	}
}

// partial ends the name of a file whose run was broken off.
const partial = ".partial"

// write writes the report to all files and to the standard output. If any
// fails, what was measured goes to a place that works, which the error names.
// The files of a run that is not whole have names of their own.
func (o *outputs) write(cmd *cobra.Command, r *bench.Report, whole bool) error {
	var errs []error
	suffix := partial
	if whole {
		suffix = ""
	}
	form := cmd.Flag("output").Value.String()
	if o.path != "" {
		errs = append(errs, o.finish(o.path, suffix, func(b *bytes.Buffer) error {
			if form == "text" {
				return format.Write(b, r, "json")
			}
			return format.Write(b, r, form)
		}))
	}
	if o.html != "" {
		errs = append(errs, o.finish(o.html, suffix, func(b *bytes.Buffer) error { return html.Write(b, []*bench.Report{r}) }))
	}
	switch {
	case form == "text":
		var b bytes.Buffer
		printBench(&b, r)
		if !whole && (o.path != "" || o.html != "") {
			fmt.Fprintf(&b, "\nThe run is not whole, and so the names of its files end in %s.\n", partial)
		}
		_, err := cmd.OutOrStdout().Write(b.Bytes())
		errs = append(errs, err)
	case o.path == "":
		var b bytes.Buffer
		errs = append(errs, format.Write(&b, r, form))
		_, err := cmd.OutOrStdout().Write(b.Bytes())
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, rescue(cmd, r))
	}
	return nil
}

// finish writes a file and gives it its name, which ends in suffix.
func (o *outputs) finish(path, suffix string, fill func(*bytes.Buffer) error) error {
	f := o.pending[path]
	var b bytes.Buffer
	err := fill(&b)
	if err == nil {
		_, err = f.Write(b.Bytes())
	}
	if err == nil && f.Name() != path {
		err = errors.Join(f.Chmod(0o644), f.Sync())
	}
	if err != nil {
		return notWritten(path, err)
	}
	delete(o.pending, path)
	err = f.Close()
	if err == nil && f.Name() != path {
		err = os.Rename(f.Name(), path+suffix)
	}
	if err != nil {
		return notWritten(path, err)
	}
	return nil
}

// rescue writes the results as JSON to the system's directory for temporary
// files or, if that fails too, to the standard error.
func rescue(cmd *cobra.Command, r *bench.Report) error {
	var b bytes.Buffer
	if err := format.Write(&b, r, "json"); err != nil {
		return err
	}
	f, err := os.CreateTemp("", "qgo-bench-*.json")
	if err == nil {
		_, err = f.Write(b.Bytes())
		if err = errors.Join(err, f.Close()); err == nil {
			return fmt.Errorf("the results are in %s instead", f.Name())
		}
		_ = os.Remove(f.Name())
	}
	_, err = cmd.ErrOrStderr().Write(b.Bytes())
	return err
}

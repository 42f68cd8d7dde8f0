package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qgo/gguf/show"
	"qgo/model/files"
)

// Cache is a directory of model files.
type Cache struct{ Dir string }

// DefaultCache is $QGO_MODELS, or the directory qgo/models where the system
// has caches.
func DefaultCache() (Cache, error) {
	if dir := os.Getenv("QGO_MODELS"); dir != "" {
		return Cache{dir}, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, errors.New("there is no place for models: neither QGO_MODELS nor HOME is set; set QGO_MODELS to a directory")
	}
	return Cache{filepath.Join(dir, "qgo", "models")}, nil
}

// Path is where a file of the hub is in the cache.
func (c Cache) Path(f File) string { return filepath.Join(c.Dir, f.local) }

// Entry is a model in the cache, of one file or split in parts.
type Entry struct {
	Name     string    `json:"name"` // as --model takes it
	Path     string    `json:"path"` // of the first file that is there
	Size     int64     `json:"bytes"`
	Total    int64     `json:"bytes_in_all"` // of the parts of which something is there
	Parts    int       `json:"parts"`
	Whole    int       `json:"whole_parts"`
	SHA256   string    `json:"sha256,omitempty"` // of a model of one file
	Modified time.Time `json:"modified"`

	stem  string
	names map[int]string // of the files, by number of part
	files map[int]bool   // whether they are whole
}

// Complete tells a whole model from one of which something is missing.
func (e Entry) Complete() bool { return e.Whole == e.Parts }

// List returns the models in the cache, whole and unfinished ones.
func (c Cache) List() ([]Entry, error) {
	list := []Entry{}
	dir, err := os.ReadDir(c.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, files.Explain(c.Dir, err)
	}
	for _, f := range dir {
		name := strings.TrimSuffix(f.Name(), partEnd)
		p, ok := parsePart(name)
		if !ok {
			continue
		}
		i := slices.IndexFunc(list, func(e Entry) bool { return e.stem == p.stem && e.Parts == p.of })
		if i < 0 {
			i = len(list)
			list = append(list, Entry{stem: p.stem, Parts: p.of, names: map[int]string{}, files: map[int]bool{}})
		}
		list[i].add(filepath.Join(c.Dir, name), p.no, name == f.Name())
	}
	list = slices.DeleteFunc(list, func(e Entry) bool { return len(e.files) == 0 })
	for i := range list {
		list[i].Name = NameOf(list[i].Path)
	}
	return list, nil
}

// add counts a file, or what is there of it.
func (e *Entry) add(path string, no int, whole bool) {
	if _, known := e.files[no]; known {
		return // ".gguf" comes before ".gguf.part"
	}
	var here, total int64
	sum := ""
	if whole {
		info, err := os.Stat(path) // through a link, if somebody made one
		if err != nil || !info.Mode().IsRegular() {
			return
		}
		here, total = info.Size(), info.Size()
		if r, ok := ReadRecord(path); ok {
			sum, total = r.SHA256, r.Size
			whole = here == total
		}
		e.Modified = latest(e.Modified, info.ModTime())
	} else {
		info, err := os.Lstat(path + partEnd)
		if err != nil || info.IsDir() {
			return
		}
		here, total = info.Size(), info.Size()
		if s, ok := readState(path + stateEnd); ok {
			here, total, sum = s.sum(), s.Size, s.SHA256
		}
		e.Modified = latest(e.Modified, info.ModTime())
	}
	if len(e.files) == 0 {
		e.Path = path
	}
	e.names[no], e.files[no] = filepath.Base(path), whole
	e.Size += here
	e.Total += total
	if whole {
		e.Whole++
	}
	if e.Parts == 1 {
		e.SHA256 = sum
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// NameOf is what --model takes for a model file in the cache: the reference it
// was pulled by, or else its own name.
func NameOf(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), partEnd)
	p, ok := parsePart(base)
	if !ok {
		return base
	}
	for _, n := range Names() {
		if p.stem == n.Stem() {
			return n.String()
		}
	}
	said := ""
	if r, ok := ReadRecord(path); ok {
		said = r.Name
	} else if s, ok := readState(path + stateEnd); ok {
		said = s.Name
	}
	if r, err := ParseRef(said); err == nil && r.prefix != "" && r.owns(p.stem) {
		return r.text
	}
	if user, rest, ok := strings.Cut(strings.TrimPrefix(p.stem, "hf.co--"), "--"); ok && strings.HasPrefix(p.stem, "hf.co--") {
		if repo, stem, ok := strings.Cut(rest, "--"); ok {
			return "hf.co/" + user + "/" + repo + ":" + nameInRepo(stem)
		}
	}
	return base
}

// lookup returns the model of that name, whole or not. name is a [Ref], or a
// file's name with or without ".gguf".
func (c Cache) lookup(name string) (Entry, error) {
	list, err := c.List()
	if err != nil {
		return Entry{}, err
	}
	ref, err := ParseRef(name)
	if err != nil {
		return c.lookupFile(name, list)
	}
	var found []Entry
	var stems []string
	for _, e := range list {
		if !ref.owns(e.stem) {
			continue
		}
		if stem := e.stem[len(ref.prefix):]; !slices.Contains(stems, stem) {
			stems = append(stems, stem)
		}
		found = append(found, e)
	}
	stem, err := ref.pick(stems)
	if errors.Is(err, errNoSuch) {
		return Entry{}, &missingError{fmt.Sprintf("%s is not on this machine; get it with: qgo pull %s", show.Lines(ref.text), show.Lines(ref.text))}
	}
	if err != nil {
		return Entry{}, err
	}
	return wholeFirst(found, func(e Entry) bool { return e.stem[len(ref.prefix):] == stem }), nil
}

func (c Cache) lookupFile(name string, list []Entry) (Entry, error) {
	stem := strings.TrimSuffix(strings.TrimSuffix(name, partEnd), ".gguf")
	stem = numbered.ReplaceAllString(stem, "")
	if dir, base := filepath.Split(stem); filepath.Clean(dir) == filepath.Clean(c.Dir) {
		stem = base
	}
	is := func(e Entry) bool { return e.stem == stem }
	if slices.ContainsFunc(list, is) {
		return wholeFirst(list, is), nil
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	names = append(names, suggestions()...)
	unknown := &unknownError{fmt.Sprintf("there is no model %s in %s", show.Text(name), c.Dir), "'qgo list' shows what there is"}
	if near := nearest(name, names); near != "" {
		unknown.advice = fmt.Sprintf("did you mean %s? %s", show.Text(near), unknown.advice)
	}
	return Entry{}, unknown
}

// wholeFirst returns the entry that is, a whole one if there are several.
func wholeFirst(list []Entry, is func(Entry) bool) (found Entry) {
	for _, e := range list {
		if is(e) && (found.files == nil || e.Complete() && !found.Complete()) {
			found = e
		}
	}
	return found
}

// Find returns the path of a model in the cache, of its first part if it is
// split. name is a [Ref], or a file's name with or without ".gguf". If it is
// not there, or not all of it, the error is an [os.ErrNotExist] and says what
// gets it.
func (c Cache) Find(name string) (string, error) {
	e, err := c.lookup(name)
	var unknown *unknownError
	if errors.As(err, &unknown) {
		unknown.what = fmt.Sprintf("%s is neither a file in the current directory nor a model in %s", show.Text(name), c.Dir)
	}
	if err != nil {
		return "", err
	}
	if e.Complete() {
		return e.Path, nil
	}
	mend := "get it with: qgo pull " + show.Lines(e.Name)
	if _, err := ParseRef(e.Name); err != nil {
		mend = "put it into " + c.Dir
	}
	return "", &missingError{fmt.Sprintf("%s is incomplete: %s; %s", show.Lines(e.Name), e.missing(), mend)}
}

// missing says what is not there of an incomplete model.
func (e Entry) missing() string {
	if e.Parts == 1 {
		return fmt.Sprintf("%d of its %d bytes are here", e.Size, e.Total)
	}
	const most = 5
	var numbers []string
	for no := 1; no <= e.Parts; no++ {
		if e.files[no] {
			continue
		}
		if len(numbers) == most {
			numbers = append(numbers, "…")
			break
		}
		numbers = append(numbers, fmt.Sprint(no))
	}
	if len(numbers) == 1 {
		return fmt.Sprintf("part %s of %d is missing", numbers[0], e.Parts)
	}
	return fmt.Sprintf("parts %s of %d are missing", strings.Join(numbers, ", "), e.Parts)
}

type missingError struct{ text string }

func (e *missingError) Error() string        { return e.text }
func (e *missingError) Is(target error) bool { return target == os.ErrNotExist }

// unknownError is about a name of no model.
type unknownError struct{ what, advice string }

func (e *unknownError) Error() string        { return e.what + "; " + e.advice }
func (e *unknownError) Is(target error) bool { return target == os.ErrNotExist }

// Remove deletes a model, all its parts and what is left of its downloads,
// and returns the names of the files.
func (c Cache) Remove(name string) ([]string, error) {
	e, err := c.lookup(name)
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, name := range e.names {
		path := filepath.Join(c.Dir, name)
		gone, err := removeFile(path)
		if gone {
			removed = append(removed, path)
		}
		errs = append(errs, err)
	}
	slices.Sort(removed)
	return removed, errors.Join(errs...)
}

// removeFile deletes a model file and what stands beside it, unless somebody
// downloads it.
func removeFile(path string) (gone bool, err error) {
	unlock, err := files.TryLock(path + lockEnd)
	if errors.Is(err, files.ErrLocked) {
		return false, fmt.Errorf("%s: another program is downloading it; end that first", show.Text(filepath.Base(path)))
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	var errs []error
	for _, end := range []string{"", recordEnd, partEnd, stateEnd} {
		err := os.Remove(path + end)
		if err == nil {
			gone = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, files.Explain(path, err))
		}
	}
	return gone, errors.Join(errs...)
}

// What is written beside a model file has its name with these ends.
const (
	recordEnd = ".json"
	partEnd   = ".part"
	stateEnd  = ".part.json"
	lockEnd   = ".lock"
)

// Record is what is kept beside a file about where it came from.
type Record struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	URL    string `json:"url"`            // without what is secret of it
	ETag   string `json:"etag,omitempty"` // of a file whose address states no hash
	Name   string `json:"name,omitempty"` // that it was pulled by
}

func writeRecord(path string, f File) error {
	b, err := json.Marshal(Record{f.Size, f.SHA256, withoutSecrets(f.url), f.etag, f.name})
	if err != nil {
		return err
	}
	return replace(path+recordEnd, b)
}

// ReadRecord returns the record of a file; false if it has none.
func ReadRecord(path string) (r Record, ok bool) {
	const limit = 64 << 10
	b, err := files.Read(path+recordEnd, limit)
	return r, err == nil && json.Unmarshal(b, &r) == nil && isSHA256(r.SHA256)
}

// replace writes one of the small files beside a model file. What is no file
// there goes.
func replace(path string, b []byte) error {
	if files.Regular(path) != nil {
		_ = os.Remove(path) // or else Replace says what is there
	}
	return files.Replace(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

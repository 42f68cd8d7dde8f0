package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
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
		return Cache{}, fmt.Errorf("there is no place for models: %w; set QGO_MODELS to a directory", err)
	}
	return Cache{filepath.Join(dir, "qgo", "models")}, nil
}

// Path is where a file of the hub is in the cache.
func (c Cache) Path(f File) string { return filepath.Join(c.Dir, filepath.Base(f.Path)) }

// Find returns the path of a model in the cache, of its first part if it is
// split. name is a [Name], or a file's name with or without ".gguf". If it is
// not there the error is an [os.ErrNotExist] and says what gets it.
func (c Cache) Find(name string) (string, error) {
	n, err := ParseName(name)
	stem := stemOf(name)
	for _, end := range []string{".gguf", "-00001-of-*.gguf"} {
		list, _ := filepath.Glob(filepath.Join(c.Dir, stem+end)) // a bad pattern finds nothing
		if len(list) > 0 {
			return list[0], nil
		}
	}
	if err == nil {
		return "", &missingError{fmt.Sprintf("%s is not on this machine; get it with: qgo pull %s", n, n)}
	}
	return "", &missingError{fmt.Sprintf("there is no model %s in %s; 'qgo list' shows what there is", name, c.Dir)}
}

// stemOf returns the beginning of the files' names of a model, so that it
// stands for itself in a pattern.
func stemOf(name string) string {
	if n, err := ParseName(name); err == nil {
		return n.Stem()
	}
	stem := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".part"), ".gguf")
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(stem)
}

type missingError struct{ text string }

func (e *missingError) Error() string        { return e.text }
func (e *missingError) Is(target error) bool { return target == os.ErrNotExist }

// Entry is a file in the cache.
type Entry struct {
	Path     string    `json:"path"`
	Size     int64     `json:"bytes"` // that are there
	Total    int64     `json:"bytes_in_all"`
	SHA256   string    `json:"sha256,omitempty"`
	Modified time.Time `json:"modified"`
}

// Complete tells a whole file from an unfinished download.
func (e Entry) Complete() bool { return !strings.HasSuffix(e.Path, ".part") }

// List returns the files in the cache and the unfinished downloads.
func (c Cache) List() ([]Entry, error) {
	dir, err := os.ReadDir(c.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, f := range dir {
		path := filepath.Join(c.Dir, f.Name())
		info, err := f.Info()
		if err != nil {
			continue // removed meanwhile
		}
		e := Entry{Path: path, Size: info.Size(), Total: info.Size(), Modified: info.ModTime()}
		switch {
		case strings.HasSuffix(path, ".gguf"):
			if r, ok := ReadRecord(path); ok {
				e.SHA256 = r.SHA256
			}
		case strings.HasSuffix(path, ".gguf.part"):
			var s state
			b, err := os.ReadFile(path + ".json")
			if err != nil || json.Unmarshal(b, &s) != nil {
				break
			}
			e.Size, e.Total, e.SHA256 = 0, s.Size, s.SHA256
			for _, n := range s.Done {
				e.Size += n
			}
		default:
			continue
		}
		list = append(list, e)
	}
	return list, nil
}

// Remove deletes a model, all its parts and what is left of its downloads,
// and returns the names of the files.
func (c Cache) Remove(name string) ([]string, error) {
	stem := stemOf(name)
	var removed []string
	var errs []error
	for _, pattern := range []string{".gguf", "-?????-of-?????.gguf"} {
		for _, end := range []string{"", ".json", ".part", ".part.json"} {
			list, err := filepath.Glob(filepath.Join(c.Dir, stem+pattern+end))
			errs = append(errs, err)
			for _, path := range list {
				errs = append(errs, os.Remove(path))
				if strings.HasSuffix(path, ".gguf") || strings.HasSuffix(path, ".part") {
					removed = append(removed, path)
				}
			}
		}
	}
	if len(removed) == 0 && errors.Join(errs...) == nil {
		_, err := c.Find(name)
		return nil, err
	}
	return removed, errors.Join(errs...)
}

// Record is what is kept beside a file about where it came from.
type Record struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	URL    string `json:"url"`
}

func writeRecord(path string, f File) error {
	b, err := json.Marshal(Record{f.Size, f.SHA256, f.url})
	if err != nil {
		return err
	}
	return os.WriteFile(path+".json", b, 0o644)
}

// ReadRecord returns the record of a file; false if it has none.
func ReadRecord(path string) (r Record, ok bool) {
	b, err := os.ReadFile(path + ".json")
	return r, err == nil && json.Unmarshal(b, &r) == nil && isSHA256(r.SHA256)
}

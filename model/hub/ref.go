package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// Ref is what stands for a model: a [Name], a repository of the hub and a type
// of file in it (hf.co/USER/REPO:TYPE), or the address of a file.
type Ref struct {
	text     string // as it is listed
	repo     string // at the hub; empty for an address elsewhere
	revision string
	stem     string   // of the file in the repository, if it is known
	quant    string   // its type or its name, if that is given instead
	address  *url.URL // of a file that is not at the hub, with what is secret of it
	prefix   string   // of the names of its files in the cache
}

// String returns the reference as [ParseRef] and [Cache.Find] take it.
func (r Ref) String() string { return r.text }

// ref returns the name as a reference. Its files have their own names in the
// cache.
func (n Name) ref() Ref {
	return Ref{text: n.String(), repo: n.repo(), revision: "main", stem: n.Stem()}
}

const maxRef = 2000 // characters; no server takes many more in an address

// ParseRef reads a reference. "https://" may be missing before hf.co and
// huggingface.co.
func ParseRef(text string) (Ref, error) {
	text = strings.TrimSpace(text)
	if n, ok := ParseName(text); ok {
		return n.ref(), nil
	}
	address := text
	if host, _, ok := strings.Cut(strings.ToLower(text), "/"); ok && isHub(host) {
		address = "https://" + text
	}
	if scheme, _, ok := strings.Cut(strings.ToLower(address), "://"); !ok || scheme != "https" && scheme != "http" {
		return Ref{}, unknownName(text)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || len(text) > maxRef {
		return Ref{}, fmt.Errorf("%s is no address of a file: expected https://HOST/PATH.gguf", show.Quoted(withoutSecrets(text)))
	}
	if wrong := wrongAddress(u); wrong != "" {
		return Ref{}, fmt.Errorf("%s %s", show.Quoted(withoutSecrets(text)), wrong)
	}
	if isHub(strings.ToLower(u.Host)) {
		return hubRef(text, u)
	}
	if _, ok := parsePart(u.Path); !ok {
		return Ref{}, fmt.Errorf("%s is not the address of a .gguf file", show.Quoted(withoutSecrets(text)))
	}
	name := withoutSecrets(u.String())
	u.Fragment = ""
	return Ref{text: name, address: u, prefix: addressPrefix(name)}, nil
}

func isHub(host string) bool {
	return slices.Contains([]string{"hf.co", "huggingface.co", "www.huggingface.co"}, host)
}

var isRepo = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$`).MatchString

// isDots reports whether a part of a path leads elsewhere.
func isDots(part string) bool { return part == "" || part == "." || part == ".." }

// hubRef reads the address of a repository with or without a type, of its page,
// or of a file in it.
func hubRef(text string, u *url.URL) (Ref, error) {
	bad := fmt.Errorf("%s is no model of the hub: expected hf.co/USER/REPO:TYPE, for example hf.co/Qwen/Qwen2.5-7B-Instruct-GGUF:q4_k_m, or the address of a .gguf file", show.Quoted(withoutSecrets(text)))
	at, quant, typed := strings.Cut(strings.Trim(u.Path, "/"), ":")
	parts := strings.SplitN(at, "/", 5)
	if len(parts) < 2 || typed && (len(parts) > 2 || quant == "" || strings.ContainsAny(quant, "/: ")) {
		return Ref{}, bad
	}
	repo := parts[0] + "/" + parts[1]
	if !isRepo(repo) || slices.ContainsFunc(strings.Split(at, "/"), isDots) {
		return Ref{}, bad
	}
	if len(parts) == 5 && slices.Contains([]string{"resolve", "blob", "raw"}, parts[2]) {
		p, ok := parsePart(parts[4])
		if !ok {
			return Ref{}, fmt.Errorf("%s is not the address of a .gguf file", show.Quoted(withoutSecrets(text)))
		}
		return Ref{text: withoutSecrets(u.String()), repo: repo, revision: parts[3], stem: p.stem,
			prefix: addressPrefix("hf.co/" + repo + "/" + parts[3] + "/" + parts[4])}, nil
	}
	if len(parts) > 2 && parts[2] != "tree" {
		return Ref{}, bad
	}
	r := Ref{text: "hf.co/" + repo, repo: repo, revision: "main", prefix: "hf.co--" + strings.ReplaceAll(repo, "/", "--") + "--"}
	if len(parts) > 4 {
		return Ref{}, bad // a folder
	}
	if len(parts) == 4 && parts[3] != r.revision {
		r.text, r.revision = r.text+"/tree/"+parts[3], parts[3]
		r.prefix = addressPrefix(r.text)
	}
	if typed {
		r.text += ":" + quant
		r.quant = strings.TrimSuffix(strings.ToLower(quant), ".gguf")
		r.quant = numbered.ReplaceAllString(r.quant, "")
	}
	return r, nil
}

// addressPrefix begins the names of files in the cache that come from an
// address: files of one name from two addresses are two. All parts of a split
// model have the same.
func addressPrefix(address string) string {
	sum := sha256.Sum256([]byte(partsOf.ReplaceAllString(address, "-of-$2.gguf")))
	return "url--" + hex.EncodeToString(sum[:8]) + "--"
}

// part is what the name of a model file says.
type part struct {
	stem   string // without the number and ".gguf"
	no, of int    // part no of of; 1 of 1 for a whole file
}

var (
	numbered = regexp.MustCompile(`-(\d{5})-of-(\d{5})$`)
	partsOf  = regexp.MustCompile(`-(\d{5})-of-(\d{5})\.gguf`)
)

// parsePart reads the path of a model file; false if it is that of none.
func parsePart(path string) (part, bool) {
	const end = ".gguf"
	if len(path) <= len(end) || !strings.EqualFold(path[len(path)-len(end):], end) {
		return part{}, false
	}
	stem := path[:len(path)-len(end)]
	m := numbered.FindStringSubmatch(stem)
	if m == nil {
		return part{stem, 1, 1}, true
	}
	no, _ := strconv.Atoi(m[1]) // five digits
	of, _ := strconv.Atoi(m[2])
	if no < 1 || no > of {
		return part{stem, 1, 1}, true
	}
	return part{strings.TrimSuffix(stem, m[0]), no, of}, true
}

// matches reports whether a file of the repository with that stem is meant.
func (r Ref) matches(stem string) bool {
	base := strings.ToLower(path.Base(stem))
	switch {
	case r.stem != "":
		return stem == r.stem
	case strings.HasPrefix(base, "mmproj"): // of models that see
		return false
	case r.quant == "":
		return true
	}
	rest, ok := strings.CutSuffix(base, r.quant)
	return ok && (rest == "" || strings.ContainsAny(rest[len(rest)-1:], "-._"))
}

// pick returns the one of the stems that is meant, which all match. Without a
// type that is q4_k_m, as it is without one in a name, or the only one.
func (r Ref) pick(stems []string) (string, error) {
	if len(stems) > 1 && r.quant == "" {
		usual := r
		usual.quant = defaultQuant
		if i := slices.IndexFunc(stems, usual.matches); i >= 0 {
			stems = stems[i : i+1]
		}
	}
	switch len(stems) {
	case 0:
		return "", errNoSuch
	case 1:
		return stems[0], nil
	}
	return "", fmt.Errorf("%s may be one of %s: say which, as in hf.co/%s:%s", show.Text(r.text), someOf(stems), r.repo, show.Text(nameInRepo(stems[0])))
}

var errNoSuch = errors.New("there is no such model")

// someOf lists the beginning of the names in a repository.
func someOf(stems []string) string {
	var list []string
	for i, s := range stems {
		if i == 12 {
			list = append(list, "…")
			break
		}
		list = append(list, show.Text(nameInRepo(s)))
	}
	return strings.Join(list, ", ")
}

var typeAtEnd = regexp.MustCompile(`(?i)[-._]((?:i?q\d|tq\d|mxfp)\w*|b?f16|fp16|f32)$`)

// nameInRepo is what is written after hf.co/USER/REPO: for a file: its type,
// or its name if that has none.
func nameInRepo(stem string) string {
	if m := typeAtEnd.FindStringSubmatch(stem); m != nil {
		return m[1]
	}
	return path.Base(stem)
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._+-]`)

// local is the name in the cache of a file that has that path where it comes
// from.
func (r Ref) local(p string) string {
	return r.prefix + unsafeInName.ReplaceAllString(path.Base(p), "_")
}

// owns reports whether a model in the cache may be the one that is meant.
func (r Ref) owns(stem string) bool {
	if len(stem) < len(r.prefix) || !strings.EqualFold(stem[:len(r.prefix)], r.prefix) {
		return false
	}
	return strings.HasPrefix(r.prefix, "url--") || r.matches(stem[len(r.prefix):])
}

package hub

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// environmentToken returns the token and where it is from, as Hugging Face's
// tools look for it.
func environmentToken() (token, from string) {
	if token := strings.TrimSpace(os.Getenv("HF_TOKEN")); token != "" {
		return token, "HF_TOKEN"
	}
	path := os.Getenv("HF_TOKEN_PATH")
	if home := os.Getenv("HF_HOME"); path == "" && home != "" {
		path = filepath.Join(home, "token")
	}
	if home, err := os.UserHomeDir(); path == "" && err == nil {
		path = filepath.Join(home, ".cache", "huggingface", "token")
	}
	const limit = 64 << 10
	info, err := os.Stat(path) // through links: it is only read
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return "", "" // most often there is none
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	return strings.TrimSpace(string(b)), path
}

// checkToken fails if no header can carry the token. It does not show it.
func (c *Client) checkToken() error {
	for _, r := range c.Token {
		if r <= ' ' || r > '~' {
			return &fault{what: fmt.Sprintf("the token in %s has a character that no token has (a space, a line break, or one that is not ASCII)", cmp.Or(c.TokenFrom, "HF_TOKEN")),
				advice: "copy it again from https://huggingface.co/settings/tokens", permanent: true}
		}
	}
	return nil
}

// sameOrigin compares scheme, host and port (RFC 6454).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
}

var errRedirects = errors.New("redirects without end")

// redirect decides about a redirect: 10 are followed, and the token goes to
// the origin for which it is meant only. (net/http compares hosts, not ports
// nor schemes.)
func redirect(r *http.Request, via []*http.Request) error {
	const most = 10
	if len(via) >= most {
		return errRedirects
	}
	for _, before := range via {
		if !sameOrigin(r.URL, before.URL) {
			r.Header.Del("Authorization")
		}
	}
	r.Header.Del("Referer") // the address may hold a signature
	return nil
}

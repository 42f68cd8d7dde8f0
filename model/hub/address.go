package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// source is where something is asked for.
type source struct {
	url string
	hub bool // the address begins with HF_ENDPOINT's
}

// host is the server's name and port, to be shown.
func (s source) host() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return show.Text(withoutSecrets(s.url))
	}
	return show.Text(u.Host)
}

// check is what the user may look at if the address leads nowhere.
func (s source) check() string {
	if s.hub {
		return "check HF_ENDPOINT if you set it"
	}
	return "check the address"
}

// wrongAddress says why nothing can be asked for at an address, or "".
func wrongAddress(u *url.URL) string {
	switch port, err := strconv.Atoi(u.Port()); {
	case u.Scheme != "https" && u.Scheme != "http":
		return "is neither https nor http"
	case u.Hostname() == "":
		return "names no server"
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return "has the port " + show.Text(u.Port()) + "; ports are 1 to 65535"
	}
	return ""
}

// withoutSecrets returns an address without user, password and query, which
// may be a signature that is as good as a password. It is for what is shown and
// kept, and takes texts that are no addresses, too.
func withoutSecrets(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
		return clean.String()
	}
	if !strings.ContainsAny(text, "/@") {
		return text
	}
	text, _, _ = strings.Cut(text, "?")
	at := strings.LastIndex(text, "@")
	if at < 0 || !strings.Contains(text[:at], ":") {
		return text
	}
	scheme, _, ok := strings.Cut(text[:at], "://")
	if !ok {
		return text[at+1:]
	}
	return scheme + "://" + text[at+1:]
}

// checkedTransport finds what net/http has no error value for: redirects and
// proxies that are no addresses of servers.
type checkedTransport struct {
	http.RoundTripper
	from source
}

func (t checkedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if h, ok := t.RoundTripper.(*http.Transport); ok && h.Proxy != nil {
		if _, err := h.Proxy(r); err != nil {
			return nil, &fault{what: "the address of the proxy is none", advice: "HTTPS_PROXY and HTTP_PROXY are expected to be like http://HOST:PORT", permanent: true}
		}
	}
	answer, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	to := answer.Header.Get("Location")
	if to == "" || answer.StatusCode/100 != 3 {
		return answer, nil
	}
	wrong := "is no address"
	if u, err := r.URL.Parse(to); err == nil {
		wrong = wrongAddress(u)
	}
	if wrong == "" {
		return answer, nil
	}
	_ = answer.Body.Close() // the answer is not used
	return nil, &fault{what: fmt.Sprintf("%s redirects to %s, which %s", show.Text(r.URL.Host), show.Quoted(withoutSecrets(to)), wrong),
		advice: t.from.check(), permanent: true}
}

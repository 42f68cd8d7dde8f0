package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"qgo/gguf/show"
)

// fault is what went wrong between here and a server, in words for users.
type fault struct {
	what      string
	advice    string
	cause     error         // may be nil
	permanent bool          // trying again cannot help
	stalled   bool          // nothing came for too long
	after     time.Duration // that the server asks to wait
}

func (e *fault) Error() string {
	if e.advice == "" {
		return e.what
	}
	return e.what + "; " + e.advice
}

func (e *fault) Unwrap() error { return e.cause }

var errNoRanges = errors.New("the server does not send parts of files")

// permanent reports whether trying again cannot help: not if the fault is here,
// such as a full disk.
func permanent(err error) bool {
	var f *fault
	return !errors.As(err, &f) || f.permanent
}

// statusFault is for an answer that is not the one wanted.
// token says whether the request had one, which is from tokenFrom.
func statusFault(answer *http.Response, from source, token bool, tokenFrom string) error {
	host, status := show.Text(answer.Request.URL.Host), answer.StatusCode
	said := fmt.Sprint(status)
	if text := http.StatusText(status); text != "" {
		said += " " + text
	}
	f := &fault{what: fmt.Sprintf("%s answered %s", host, said), permanent: true}
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && token:
		f.advice = fmt.Sprintf("there is no such model, or HF_TOKEN is not one that may read it (the token is from %s)", cmp.Or(tokenFrom, "HF_TOKEN"))
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.advice = "there is no such model, or it is not open to all: set HF_TOKEN to a token of an account that may read it"
	case status < 100 || status > 599:
		f.what, f.advice = f.what+", which is no status of HTTP", from.check()
	case (status == http.StatusNotFound || status == http.StatusGone) && from.hub:
		f.advice = "there is no such model or file there; HF_ENDPOINT, if you set it, must be a server that has it"
	case status == http.StatusNotFound || status == http.StatusGone:
		f.advice = "there is no such file there; check the address"
	case status == http.StatusRequestedRangeNotSatisfiable:
		f.advice = "the file is shorter than the hub said, which may be for a moment: pull again"
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		f.what = fmt.Sprintf("%s is busy (%s)", host, said)
		fallthrough
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status >= 500 && status != http.StatusNotImplemented:
		f.advice = "try again later, what was downloaded is kept"
		f.permanent, f.after = false, retryAfter(answer.Header)
	}
	return f
}

// maxRetryAfter is the longest time that is understood.
const maxRetryAfter = 24 * time.Hour

// retryAfter is the time that a server asks to wait: a number of seconds or a
// date (RFC 9110, 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(n, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}

// networkFault is for a request that got no answer, or not all of one.
func networkFault(ctx context.Context, from source, err error) error {
	var known *fault
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return known
	}
	host := from.host()
	var inURL *url.Error // after a redirect it is about another server
	if errors.As(err, &inURL) {
		if h := (source{url: inURL.URL}).host(); h != "" {
			host = h
		}
	}
	f := &fault{cause: err, advice: "check the connection, and HTTPS_PROXY if you use one"}
	if from.hub {
		f.advice = "check the connection, and HTTPS_PROXY and HF_ENDPOINT if you use them"
	}
	why := ""
	why, f.permanent = reason(err)
	f.what = fmt.Sprintf("%s cannot be reached (%s)", host, why)
	switch {
	case errors.Is(err, errRedirects):
		f.what, f.advice = host+" redirects without end", from.check()
	case isPlain(err):
		f.advice = from.check() + ": it may have to begin with http in place of https"
	case isOther(err):
		f.what, f.advice = fmt.Sprintf("what %s answers is not HTTP", host), from.check()
	case isCertificate(err):
		f.what, f.advice = fmt.Sprintf("the certificate of %s is not valid (%s)", host, why), "check this machine's clock, and whether a proxy is in the way"
	}
	return f
}

// reason says in a few words why there is no connection, and whether that will
// stay.
func reason(err error) (text string, permanent bool) {
	var name *net.DNSError
	var op *net.OpError
	var address *net.AddrError
	var timeout net.Error
	switch {
	case errors.Is(err, errRedirects):
		return "", true
	case isCertificate(err):
		return certificateReason(err), true
	case isPlain(err):
		return "it does not speak HTTPS", true
	case isOther(err):
		return "", true
	case errors.As(err, &address) && errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy's address is none", true
	case errors.As(err, &address):
		return "its address is none", true
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy does not answer", false
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no such host", true
	case errors.As(err, &name):
		return "its name cannot be looked up: DNS does not answer", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", false
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to it", false
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time", false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off", false
	}
	return "the connection failed", false
}

// isPlain reports whether the server does not encrypt.
func isPlain(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, new(tls.RecordHeaderError))
}

// isOther reports whether the server speaks another protocol. For the first
// line of an answer net/http has no error value.
func isOther(err error) bool {
	return errors.As(err, new(textproto.ProtocolError)) || strings.Contains(err.Error(), "malformed HTTP")
}

func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
}

func certificateReason(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired, or is not valid yet"
	case errors.As(err, new(x509.HostnameError)):
		return "it is for another host"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "this machine does not know who signed it"
	}
	return "it does not pass the checks"
}

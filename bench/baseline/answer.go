package baseline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"qgo/bench"
)

// stall is how long a server may send nothing.
const stall = 10 * time.Minute

var errStalled = fmt.Errorf("the server has sent nothing for %.0f minutes", stall.Minutes())

// Answer sends a text and times its answer of so many tokens, as [OpenAI.Once]
// does: several at once, if need be. What fails is told in a few words, the same
// for the same fault.
func (o *OpenAI) Answer(ctx context.Context, text string, tokens int) (bench.Rep, error) {
	rep, err := o.stream(ctx, text, tokens)
	if err != nil && ctx.Err() == nil {
		err = networkReason(err)
	}
	return rep, err
}

// networkReason says what a network's error means; other errors stay.
func networkReason(err error) error {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errStalled):
		return errStalled
	case errors.As(err, &name):
		return errors.New("the server's name cannot be looked up")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the server cannot be reached: connection refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return errors.New("the server cannot be reached: no route to it")
	case errors.Is(err, syscall.EMFILE):
		return errors.New("this program has too many files open (ulimit -n)")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the server did not answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the stream was cut off: the server closed the connection")
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return errors.New("the server does not speak HTTPS: its address begins with http")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return errors.New("the server's certificate is not valid")
	case errors.As(err, new(*net.OpError)), errors.As(err, new(*url.Error)):
		return errors.New("the connection to the server failed")
	}
	return err
}

// watchdog ends a request whose server sends nothing for too long.
type watchdog struct {
	timer *time.Timer
	of    time.Duration
	from  io.Reader
}

// watch returns a context that ends when the watchdog has seen nothing for that
// long; stop is to be called in the end.
func watch(ctx context.Context, of time.Duration) (_ context.Context, w *watchdog, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w = &watchdog{timer: time.AfterFunc(of, func() { cancel(errStalled) }), of: of}
	return ctx, w, func() { w.timer.Stop(); cancel(nil) }
}

// stalled is [errStalled] if that ended a context of watch.
func stalled(ctx context.Context) error {
	if context.Cause(ctx) == errStalled {
		return errStalled
	}
	return nil
}

// Read reads from the answer.
func (w *watchdog) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if n > 0 {
		w.timer.Reset(w.of)
	}
	return n, err
}

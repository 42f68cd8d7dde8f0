package baseline

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	aPiece = "data: {\"choices\":[{\"delta\":{\"content\":\"a \"}}]}\n\n"
	theEnd = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n"
)

// TestAnswerFaults expects one short reason of each fault of a server.
func TestAnswerFaults(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"whole":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat(aPiece, 3)+theEnd) }, "<nil>"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, aPiece+aPiece) }, "the stream was cut off after 2 pieces of text"},
		"too many": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "wait\x1b[31m", http.StatusTooManyRequests)
		}, "the server answered 429 Too Many Requests: wait\ufffd[31m"},
		"no reason": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "the server answered 503 Service Unavailable"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, aPiece)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "the stream was cut off: the server closed the connection"},
		"closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the stream was cut off: the server closed the connection"},
	} {
		server := httptest.NewServer(c.serve)
		rep, err := (&OpenAI{URL: server.URL}).Answer(t.Context(), "text", 3)
		if fmt.Sprint(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if err == nil && (rep.Gen != 3 || rep.Prompt != 9 || rep.TTFT <= 0 || rep.NS < rep.TTFT) {
			t.Errorf("%s: %+v", name, rep)
		}
		server.Close()
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secret := httptest.NewTLSServer(http.NotFoundHandler())
	defer secret.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n\r\n")
			_ = c.Close()
		}
	}()
	for address, want := range map[string]string{
		closed.URL:                        "the server cannot be reached: connection refused",
		"https" + plain.URL[len("http"):]: "the server does not speak HTTPS: its address begins with http",
		"http://" + other.Addr().String(): "the connection to the server failed",
		"http://no-such-host.invalid:1":   "the server's name cannot be looked up",
		secret.URL:                        "the server's certificate is not valid",
	} {
		if _, err := (&OpenAI{URL: address}).Answer(t.Context(), "text", 3); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

// TestStall expects that what sends nothing is given up, and that what goes on
// sending is not.
func TestStall(t *testing.T) {
	const of = 50 * time.Millisecond
	ctx, dog, stop := watch(t.Context(), of)
	defer stop()
	dog.from = strings.NewReader("abc")
	if b, err := io.ReadAll(dog); err != nil || string(b) != "abc" {
		t.Errorf("%q, %v", b, err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("nothing happens")
	}
	if stalled(ctx) != errStalled || errStalled.Error() != "the server has sent nothing for 10 minutes" {
		t.Errorf("%v", stalled(ctx))
	}
	ended, end := context.WithCancel(t.Context())
	ctx, _, stop = watch(ended, time.Hour)
	if end(); stalled(ctx) != nil || ctx.Err() == nil {
		t.Errorf("a context that ended by itself has stalled: %v", stalled(ctx))
	}
	stop()
}

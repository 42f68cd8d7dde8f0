package hub

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

func TestWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"https://me:geheim@host:1/a%2Fb.gguf?sig=SECRET#x": "https://host:1/a%2Fb.gguf",
		"https://SECRET@host/a":                            "https://host/a",
		"http://me:ge/heim@host/%zz?sig=SECRET":            "http://host/%zz",
		"me:geheim@hf.co/u/r?SECRET":                       "hf.co/u/r",
		"http://[::1?SECRET":                               "http://[::1",
		"file:///etc/passwd":                               "file:///etc/passwd",
		"/models/m.gguf?SECRET":                            "/models/m.gguf",
		"qwen2.5-7b:q4_0?":                                 "qwen2.5-7b:q4_0?",
		"":                                                 "",
	} {
		if got := withoutSecrets(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestWrongRedirects ends at once where a redirect leads to no server, and says
// where it leads, but not what is secret of that.
func TestWrongRedirects(t *testing.T) {
	var to string
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for location, want := range map[string]string{
		"file:///etc/passwd":                     `"file:///etc/passwd", which is neither https nor http`,
		"http://%zz":                             `"http://%zz", which is no address`,
		"http://me:geheim@%zz/x?sig=SECRET":      `"http://%zz/x", which is no address`,
		"http://127.0.0.1:99999/m.gguf":          `"http://127.0.0.1:99999/m.gguf", which has the port 99999; ports are 1 to 65535`,
		"ftp://me:geheim@host/m.gguf?sig=SECRET": `"ftp://host/m.gguf", which is neither https nor http`,
		"https:///m.gguf":                        `"https:///m.gguf", which names no server`,
	} {
		to = location
		for from, check := range map[string]string{
			server.URL + "/m.gguf": "; check the address",
			"qwen2.5-0.5b:q4_0":    "; check HF_ENDPOINT if you set it",
		} {
			ref, err := ParseRef(from)
			if err != nil {
				t.Fatal(err)
			}
			client := NewClient()
			client.Endpoint = server.URL
			var d diary
			d.keep(client)
			asked.Store(0)
			_, err = client.Files(t.Context(), ref)
			if err == nil || !strings.HasSuffix(err.Error(), host+" redirects to "+want+check) || asked.Load() != 1 {
				t.Errorf("%s to %s: error %v after %d requests, want %q", from, location, err, asked.Load(), want+check)
				continue
			}
			checkDiary(t, &d, err, false)
		}
	}
}

// TestOtherProtocol asks a server of another protocol, and through a proxy
// whose address is none: once.
func TestOtherProtocol(t *testing.T) {
	for answer, want := range map[string]string{
		"SSH-2.0-OpenSSH_9.6\r\n":              " is not HTTP; check the address",
		"HTTP/1.1 99999 What\r\n\r\n":          " is not HTTP; check the address",
		"HTTP/1.1 200 OK\r\nno header\r\n\r\n": " is not HTTP; check the address",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int32
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				asked.Add(1)
				_, _ = c.Read(make([]byte, 4096)) // the request
				_, _ = io.WriteString(c, answer)
				_ = c.Close()
			}
		}()
		ref, err := ParseRef("http://" + listener.Addr().String() + "/m.gguf")
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient()
		var d diary
		d.keep(client)
		_, err = client.Files(t.Context(), ref)
		if err == nil || !strings.Contains(err.Error(), want) || asked.Load() != 1 {
			t.Errorf("%q: error %v after %d requests, want %q", answer, err, asked.Load(), want)
		} else {
			checkDiary(t, &d, err, false)
		}
		listener.Close()
	}
	client := NewClient()
	client.HTTP.Transport.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("x") }
	var d diary
	d.keep(client)
	_, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
	if want := "the address of the proxy is none; HTTPS_PROXY and HTTP_PROXY are expected to be like "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
	if len(d.said) != 0 {
		t.Errorf("said %q", d.said)
	}
	client.HTTP.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:99999"})
	_, err = client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
	if want := "cannot be reached (the proxy's address is none)"; err == nil || !strings.Contains(err.Error(), want) || len(d.said) != 0 {
		t.Errorf("error %v, said %q; want %q", err, d.said, want)
	}
}

// TestAdvice names HF_ENDPOINT where it is about the hub, and not where it is
// about an address.
func TestAdvice(t *testing.T) {
	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain.Start()
	defer plain.Close()
	secure := strings.Replace(plain.URL, "http:", "https:", 1)
	for _, c := range []struct{ name, endpoint, want string }{
		{plain.URL + "/m.gguf", plain.URL, "answered 404 Not Found; there is no such file there; check the address"},
		{plain.URL + "/m.gguf", "http://[::1", "answered 404 Not Found; there is no such file there; check the address"},
		{secure + "/m.gguf", plain.URL, "(it does not speak HTTPS); check the address: it may have to begin with http in place of https"},
		{"qwen2.5-0.5b", plain.URL, "answered 404 Not Found; there is no such model or file there; HF_ENDPOINT, if"},
		{"qwen2.5-0.5b", secure, "(it does not speak HTTPS); check HF_ENDPOINT if you set it: it may"},
		{"qwen2.5-0.5b", "http://[::1", `HF_ENDPOINT is "http://[::1"; expected the address of a server`},
		{"qwen2.5-0.5b", "http://me:geheim@h:99999", `HF_ENDPOINT is "http://h:99999"; expected`},
		{"qwen2.5-0.5b", "http://host?sig=SECRET", `HF_ENDPOINT is "http://host"; expected`},
	} {
		ref, err := ParseRef(c.name)
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient()
		client.Endpoint = c.endpoint
		var d diary
		d.keep(client)
		_, err = client.Files(t.Context(), ref)
		if err == nil || !strings.Contains(err.Error(), c.want) || ref.address != nil && strings.Contains(err.Error(), "HF_ENDPOINT") {
			t.Errorf("%s with %s: error %v, want %q", c.name, c.endpoint, err, c.want)
			continue
		}
		checkDiary(t, &d, err, false)
	}
}

package model

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"qgo/model/synth"
)

// saved returns a session that has computed n tokens, and its file.
func saved(t testing.TB, m *Model, n int) (*Session, []byte) {
	t.Helper()
	s := newSession(t, m, 0)
	generate(t, s, text(t, n), Generation{MaxTokens: 1})
	return s, saveFile(t, s)
}

// saveFile returns a session's file.
func saveFile(t testing.TB, s *Session) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Save(&b, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// loadFile reads a session's file.
func loadFile(t testing.TB, s *Session, file []byte) {
	t.Helper()
	if _, err := s.Load(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
}

func newSession(t testing.TB, m *Model, ctx int) *Session {
	t.Helper()
	s, err := m.NewSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSessionFile continues a session from its file: with the same text, and
// without computing what was computed before.
func TestSessionFile(t *testing.T) {
	for _, kv := range []string{"f16", "f32", "q8_0"} {
		m := tiny(t, Options{KV: kv})
		const n = 45 // no whole number of blocks of keys
		s, file := saved(t, m, n)
		loaded := newSession(t, m, 200)
		extra, err := loaded.Load(bytes.NewReader(file))
		if err != nil || string(extra) != `{"a":1}` || loaded.Len() != n {
			t.Fatalf("%s: extra %s, %v, %d tokens", kv, extra, err, loaded.Len())
		}
		more := text(t, n+20)
		g := Generation{MaxTokens: 12, IgnoreEOG: true}
		want, got := generate(t, s, more, g), generate(t, loaded, more, g)
		if got != want || loaded.Stats().Reused != n {
			t.Errorf("%s: %q with %d tokens reused, want %q", kv, got, loaded.Stats().Reused, want)
		}
	}
}

// TestSessionFileTruncated looks for keys that were taken back: they must not
// be in the file.
func TestSessionFileTruncated(t *testing.T) {
	m := tiny(t, Options{})
	short := newSession(t, m, 0)
	generate(t, short, text(t, 20), Generation{MaxTokens: 1})
	long := newSession(t, m, 0)
	generate(t, long, text(t, 31), Generation{MaxTokens: 1})
	generate(t, long, text(t, 20), Generation{MaxTokens: 1}) // computes the last token again
	var a, b bytes.Buffer
	if err := errors.Join(short.Save(&a, nil), long.Save(&b, nil)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the file shows what was taken back")
	}
}

func TestSessionFileErrors(t *testing.T) {
	m := tiny(t, Options{})
	_, file := saved(t, m, 30)
	header := len(sessionMagic) + 4
	size := int(binary.LittleEndian.Uint32(file[len(sessionMagic):]))
	s := newSession(t, m, 0)
	refuse := func(what, want string, s *Session, b []byte) {
		t.Helper()
		if _, err := s.Load(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", what, err, want)
		}
		if s.Len() != 0 {
			t.Errorf("%s: %d tokens are there after the error", what, s.Len())
		}
	}
	for _, n := range []int{0, 5, header - 1, header + 10, header + size, header + size + 50, len(file) / 2, len(file) - 33, len(file) - 1} {
		refuse("cut short", "damaged", s, file[:n])
	}
	refuse("with something behind", "damaged", s, append(bytes.Clone(file), 0))
	for _, i := range []int{0, len(sessionMagic), len(sessionMagic) + 3, header + size + 1, header + size + 4*30 + 7, len(file) - 1} {
		b := bytes.Clone(file)
		b[i] ^= 0x80
		refuse("changed", "damaged", s, b)
	}
	for version, want := range map[string]string{"1": "is of version 1", "3": "is of version 3", "x": "damaged"} {
		refuse("of another version", want, s, bytes.Replace(file, []byte(sessionMagic), []byte(sessionFormat+version+"\n"), 1))
	}
	huge := bytes.Replace(file, []byte(`"tokens":30`), []byte(`"tokens":99`), 1)
	refuse("tokens that are not there", "damaged", s, huge)
	negative := bytes.Replace(file, []byte(`"tokens":30`), []byte(`"tokens":-1`), 1)
	refuse("a negative number of tokens", "damaged", s, negative)
	// What the file says of itself is cut and escaped.
	long := strings.Repeat("\u202ex", 100)
	named := func(h sessionHeader) []byte {
		head, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		b := binary.LittleEndian.AppendUint32([]byte(sessionMagic), uint32(len(head)))
		return append(b, head...)
	}
	fingerprint, err := m.fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	refuse("a long name", `another model, "`+strings.Repeat(`\u202ex`, 32)+`…"; load`, s, named(sessionHeader{Model: long}))
	refuse("a long type", "is of type "+strings.Repeat(`\u202ex`, 32)+"…, this", s, named(sessionHeader{Fingerprint: fingerprint, KV: long}))
	refuse("no room", "room for 20", newSession(t, m, 20), file)
	refuse("another KV type", "type F16", newSession(t, tiny(t, Options{KV: "f32"}), 0), file)

	spec, err := synth.ParseSpec("0.5b", "q8_0")
	if err != nil {
		t.Fatal(err)
	}
	spec.Blocks, spec.Vocab = 1, 1000
	f, err := synth.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Load(context.Background(), f, Options{Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	refuse("another model", "another model", newSession(t, other, 0), file)
	if _, err := s.Load(bytes.NewReader(file)); err != nil {
		t.Errorf("after all that, the file itself: %v", err)
	}
}

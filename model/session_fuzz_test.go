package model

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// FuzzSessionLoad reads sessions whose hash is right and the rest anything. What
// is read can be written, and is read as the same again.
func FuzzSessionLoad(f *testing.F) {
	m := tiny(f, Options{Threads: 1, Context: 64})
	_, file := saved(f, m, 3)
	f.Add(file[:len(file)-sha256.Size])
	f.Add(file[:len(sessionMagic)+4])
	f.Add(bytes.Replace(file[:len(file)-sha256.Size], []byte(`"tokens":3`), []byte(`"tokens":9`), 1))
	f.Add([]byte(sessionMagic + "\xff\xff\xff\x0f{}"))
	f.Add([]byte(sessionFormat + "1\n"))
	s := newSession(f, m, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		extra, err := s.Load(bytes.NewReader(append(bytes.Clone(body), sum[:]...)))
		if err != nil {
			if s.Len() != 0 || extra != nil {
				t.Errorf("%d tokens and extra %q beside the error %v", s.Len(), extra, err)
			}
			return
		}
		n := s.Len()
		var first, second bytes.Buffer
		if err := s.Save(&first, extra); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(bytes.NewReader(first.Bytes())); err != nil || s.Len() != n {
			t.Fatalf("what was saved again has %d tokens of %d, error %v", s.Len(), n, err)
		}
		if err := s.Save(&second, extra); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("saved twice, the files differ; error %v", err)
		}
	})
}

package model

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"qgo/gguf"
	"qgo/kernels/plan"
)

// A session's file is, little-endian:
//
//	the magic, which ends in the format's version
//	uint32, and so many bytes of JSON: a sessionHeader
//	the tokens, int32 each
//	keys and values, as the devices write them
//	the SHA-256 of all before
const (
	sessionMagic = "qgo session 1\n"
	maxHeader    = 1 << 28
)

type sessionHeader struct {
	Model       string          `json:"model"`
	Fingerprint string          `json:"fingerprint"`
	KV          string          `json:"kv"`
	Tokens      int             `json:"tokens"`
	Extra       json.RawMessage `json:"extra,omitempty"`
}

// errDamaged is for a session's file that breaks the format.
var errDamaged = errors.New("the session is damaged, or its file was not written by qgo")

// Save writes the session, and with it extra, JSON that Load gives back.
func (s *Session) Save(w io.Writer, extra json.RawMessage) error {
	fingerprint, err := s.m.fingerprint()
	if err != nil {
		return err
	}
	head, err := json.Marshal(sessionHeader{
		Model: s.m.Name, Fingerprint: fingerprint, KV: s.m.kvType.String(), Tokens: len(s.tokens), Extra: extra,
	})
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	write := func(v any) {
		if err == nil {
			err = binary.Write(out, binary.LittleEndian, v)
		}
	}
	write([]byte(sessionMagic))
	write(uint32(len(head)))
	write(head)
	write(s.tokens)
	for _, part := range s.kv.parts {
		if err == nil {
			err = savePart(out, part, len(s.tokens))
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	return err
}

func savePart(w io.Writer, kv plan.KV, n int) error {
	s, ok := kv.(plan.Saver)
	if !ok {
		return errors.New("model: this device cannot write its keys and values to a file")
	}
	return s.Save(w, n)
}

// Load reads what Save wrote, and returns extra. A session of another model,
// of another type of keys and values or longer than there is room for is an
// error, as is one that was changed since. After an error the session is
// empty.
func (s *Session) Load(r io.Reader) (extra json.RawMessage, err error) {
	s.kv.Truncate(0)
	s.tokens = s.tokens[:0]
	in := &hashedReader{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	head, err := s.readHeader(in)
	if err != nil {
		return nil, err
	}
	tokens := make([]int32, head.Tokens)
	if err := binary.Read(in, binary.LittleEndian, tokens); err != nil {
		return nil, damaged(err)
	}
	for _, part := range s.kv.parts {
		saver, ok := part.(plan.Saver)
		if !ok {
			return nil, errors.New("model: this device cannot read keys and values from a file")
		}
		if err := saver.Load(in, head.Tokens); err != nil {
			return nil, damaged(err)
		}
	}
	sum := in.sum.Sum(nil)
	got := make([]byte, len(sum)+1) // one more, to see that nothing follows
	if n, err := io.ReadFull(in.r, got); n != len(sum) || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got[:n], sum) {
		return nil, errDamaged
	}
	for _, id := range tokens {
		if id < 0 || int(id) >= s.m.Vocab {
			return nil, errDamaged
		}
	}
	s.tokens = append(s.tokens, tokens...)
	s.kv.tokens = append(s.kv.tokens[:0], tokens...)
	return head.Extra, nil
}

// readHeader reads and checks what stands before the tokens.
func (s *Session) readHeader(r io.Reader) (*sessionHeader, error) {
	magic := make([]byte, len(sessionMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != sessionMagic {
		return nil, errDamaged
	}
	var size uint32
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil || size > maxHeader {
		return nil, errDamaged
	}
	// ReadAll grows with what is there, whatever size says.
	text, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return nil, damaged(err)
	}
	var h sessionHeader
	if err := json.Unmarshal(text, &h); err != nil || len(text) != int(size) || h.Tokens < 0 {
		return nil, errDamaged
	}
	fingerprint, err := s.m.fingerprint()
	if err != nil {
		return nil, err
	}
	switch {
	case h.Fingerprint != fingerprint:
		return nil, fmt.Errorf("the session belongs to another model, %q; load it with that one", h.Model)
	case h.KV != s.m.kvType.String():
		return nil, fmt.Errorf("the session's KV cache is of type %s, this one's of %v; choose the same type", h.KV, s.m.kvType)
	case h.Tokens > s.Cap():
		return nil, &ContextError{Need: h.Tokens, Room: s.Cap()}
	}
	return &h, nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}

// hashedReader computes the hash of what is read through it.
type hashedReader struct {
	r   *bufio.Reader
	sum hash.Hash
}

func (h *hashedReader) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	h.sum.Write(b[:n])
	return n, err
}

// fingerprint identifies a model by its metadata's size, and by the names,
// shapes, types and a few bytes of its tensors.
func (m *Model) fingerprint() (string, error) {
	const sample = 64 // bytes, from the middle: the beginning may be padding
	sum := sha256.New()
	err := gguf.Guard(m.File.Name, func() error {
		fmt.Fprintln(sum, m.Config, m.File.Size())
		for i := range m.File.Tensors {
			t := &m.File.Tensors[i]
			middle := t.Data[len(t.Data)/2:]
			fmt.Fprintln(sum, t.Name, t.Type, t.Dims, t.Offset, middle[:min(sample, len(middle))])
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

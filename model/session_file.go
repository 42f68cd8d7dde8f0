package model

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"qgo/gguf"
	"qgo/gguf/show"
)

// A session's file is, little-endian:
//
//	the magic, which ends in the format's version
//	uint32, and so many bytes of JSON: a sessionHeader
//	the tokens, int32 each
//	keys and values: [block][K, V][KVHeads][tokens] rows of HeadDim values
//	the SHA-256 of all before
//
// A file does not depend on where the model is computed. In version 1 the keys
// lay as the CPU's kernels want them.
const (
	sessionFormat  = "qgo session "
	sessionVersion = "2"
	sessionMagic   = sessionFormat + sessionVersion + "\n"
	maxHeader      = 1 << 28
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

// Save writes the session, and with it extra, JSON that Load gives back. If a
// GPU was lost, its keys and values are computed on the CPU first.
func (s *Session) Save(w io.Writer, extra json.RawMessage) error {
	fingerprint, err := s.m.fingerprint()
	if err != nil {
		return err
	}
	head, err := json.Marshal(sessionHeader{
		Model: s.m.Name, Fingerprint: fingerprint, KV: s.m.kvType.String(), Tokens: s.Len(), Extra: extra,
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
	write(s.kv.tokens)
	if err == nil {
		err = s.saveKV(out)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	return err
}

// saveKV writes the keys and values. If the GPU is lost meanwhile, the CPU goes
// on at the byte where it stopped: all devices write the same layout.
func (s *Session) saveKV(w io.Writer) error {
	ctx := context.Background()
	if err := s.m.restore(ctx, s.kv); err != nil {
		return err
	}
	out := &resumedWriter{w: w}
	err := s.kv.save(out)
	if !s.m.lost(err) {
		return err
	}
	if err := s.m.fallBack(ctx, err); err != nil {
		return err
	}
	if err := s.m.restore(ctx, s.kv); err != nil {
		return err
	}
	out.skip, out.written = out.written, 0
	return s.kv.save(out)
}

// resumedWriter leaves out the first bytes that are written to it.
type resumedWriter struct {
	w             io.Writer
	skip, written int64
}

func (r *resumedWriter) Write(b []byte) (int, error) {
	skip := int(min(r.skip, int64(len(b))))
	r.skip -= int64(skip)
	n, err := r.w.Write(b[skip:])
	r.written += int64(n)
	return skip + n, err
}

// Load reads what Save wrote, and returns extra. A session of another model,
// of another type of keys and values or longer than there is room for is an
// error, as is one that was changed since. After an error the session is
// empty. If a GPU is lost meanwhile, the CPU computes the keys and values when
// they are needed.
func (s *Session) Load(r io.Reader) (extra json.RawMessage, err error) {
	s.kv.Truncate(0)
	if err := s.m.restore(context.Background(), s.kv); err != nil {
		return nil, err
	}
	in := &hashedReader{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	head, err := s.readHeader(in)
	if err != nil {
		return nil, err
	}
	tokens := make([]int32, head.Tokens)
	if err := binary.Read(in, binary.LittleEndian, tokens); err != nil {
		return nil, damaged(err)
	}
	failure, err := s.loadKV(in, head.Tokens)
	if err != nil {
		return nil, damaged(err)
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
	if failure != nil {
		if err := s.m.fallBack(context.Background(), failure); err != nil {
			return nil, err
		}
	}
	s.kv.tokens = append(s.kv.tokens[:0], tokens...)
	return head.Extra, nil
}

// loadKV reads the keys and values of n positions. If the GPU is lost meanwhile
// it reads on, for the hash, and returns the failure.
func (s *Session) loadKV(in *hashedReader, n int) (failure, err error) {
	end := in.read + s.kv.fileBytes(n)
	if err = s.kv.load(in, n); s.m.lost(err) {
		failure = err
		_, err = io.CopyN(io.Discard, in, end-in.read)
	}
	return failure, err
}

// readHeader reads and checks what precedes the tokens.
func (s *Session) readHeader(r io.Reader) (*sessionHeader, error) {
	magic := make([]byte, len(sessionMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, damaged(err)
	}
	if err := checkMagic(string(magic)); err != nil {
		return nil, err
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
		return nil, fmt.Errorf("the session belongs to another model, %s; load it with that one", show.Quoted(h.Model))
	case h.KV != s.m.kvType.String():
		return nil, fmt.Errorf("the session's KV cache is of type %s, this one's of %v; choose the same type", show.Text(h.KV), s.m.kvType)
	case h.Tokens > s.Cap():
		return nil, &ContextError{Need: h.Tokens, Room: s.Cap()}
	}
	return &h, nil
}

// checkMagic tells a file of another version from one that is not a session.
func checkMagic(magic string) error {
	version, ok := strings.CutPrefix(magic, sessionFormat)
	switch {
	case magic == sessionMagic:
		return nil
	case ok && version[0] >= '0' && version[0] <= '9':
		return fmt.Errorf("the session's file is of version %c and this qgo reads version %s; continue it with the qgo that saved it, or start anew", version[0], sessionVersion)
	}
	return errDamaged
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}

// hashedReader computes the hash and the length of what is read through it.
type hashedReader struct {
	r    *bufio.Reader
	sum  hash.Hash
	read int64
}

func (h *hashedReader) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	h.sum.Write(b[:n])
	h.read += int64(n)
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

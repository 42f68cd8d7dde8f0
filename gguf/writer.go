package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"qgo/gguf/show"
	"qgo/quant"
)

// Header is what stands before a file's tensor data.
type Header struct {
	Meta      []KV
	Tensors   []Tensor // Name, Type and Dims; the order is that of the data
	BigEndian bool
}

// Size is the length of the whole file.
func (h *Header) Size() (int64, error) {
	head, alignment, err := h.encode()
	if err != nil {
		return 0, err
	}
	size := int64(len(head))
	for i := range h.Tensors {
		size = align(size, alignment) + h.dataSize(i)
	}
	return size, nil
}

func (h *Header) dataSize(i int) int64 {
	t := &h.Tensors[i]
	return int64(t.Type.RowBytes(t.Elements()))
}

// Writer writes a file from its start to its end.
type Writer struct {
	w         *bufio.Writer
	h         Header
	pos       int64
	alignment int
	next      int   // tensor
	left      int64 // bytes of the tensor before that are still to come
	err       error
}

// NewWriter writes the header to w. Then the data of each tensor must be
// given to WriteTensor, in the header's order, and Close called.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	head, alignment, err := h.encode()
	if err != nil {
		return nil, err
	}
	out := &Writer{w: bufio.NewWriterSize(w, 1<<20), h: h, alignment: alignment}
	out.write(head)
	return out, out.err
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.pos += int64(len(b))
	}
}

// WriteTensor writes the data of the next tensor, little-endian.
func (w *Writer) WriteTensor(data []byte) error {
	if w.err == nil && w.left == 0 && w.next < len(w.h.Tensors) {
		if want := w.h.dataSize(w.next); int64(len(data)) != want {
			return fmt.Errorf("gguf: tensor %s: expected %d bytes, found %d", show.Text(w.h.Tensors[w.next].Name), want, len(data))
		}
	}
	return w.WritePart(data)
}

// WritePart is for tensors that are made in parts: it writes the next bytes,
// whole blocks, of the tensor begun or else of the next one.
func (w *Writer) WritePart(data []byte) error {
	if w.err != nil {
		return w.err
	}
	if w.left == 0 {
		if w.next == len(w.h.Tensors) {
			return fmt.Errorf("gguf: the header has only %d tensors", w.next)
		}
		w.left = w.h.dataSize(w.next)
		w.next++
		w.write(make([]byte, align(w.pos, w.alignment)-w.pos))
	}
	t := &w.h.Tensors[w.next-1]
	if int64(len(data)) > w.left || len(data)%t.Type.BlockBytes() != 0 {
		return fmt.Errorf("gguf: tensor %s: expected whole blocks of %v and at most %d bytes, found %d", show.Text(t.Name), t.Type, w.left, len(data))
	}
	if w.h.BigEndian {
		data = slices.Clone(data)
		quant.ByteSwap(t.Type, data)
	}
	w.write(data)
	w.left -= int64(len(data))
	return w.err
}

// Close ends the file. It fails if tensors are missing.
func (w *Writer) Close() error {
	if w.err == nil && w.left > 0 {
		w.err = fmt.Errorf("gguf: %d bytes of tensor %s were not written", w.left, show.Text(w.h.Tensors[w.next-1].Name))
	}
	if w.err == nil && w.next < len(w.h.Tensors) {
		w.err = fmt.Errorf("gguf: tensor %s was not written", show.Text(w.h.Tensors[w.next].Name))
	}
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

// encode returns the bytes before the data, padded, and the alignment.
func (h *Header) encode() ([]byte, int, error) {
	e := &encoder{order: binary.LittleEndian}
	if h.BigEndian {
		e.order = binary.BigEndian
	}
	alignment := defaultAlignment
	e.b = append(e.b, magic...)
	e.u32(maxVersion)
	e.u64(uint64(len(h.Tensors)))
	e.u64(uint64(len(h.Meta)))
	seen := map[string]bool{}
	for _, kv := range h.Meta {
		if kv.Key == "" || len(kv.Key) > maxKeyLen || seen[kv.Key] {
			return nil, 0, fmt.Errorf("gguf: key %s is empty, too long or used twice", show.Quoted(kv.Key))
		}
		seen[kv.Key] = true
		e.string(kv.Key)
		t, err := typeOf(kv.Value)
		if err != nil {
			return nil, 0, fmt.Errorf("gguf: key %s: %w", show.Text(kv.Key), err)
		}
		e.u32(uint32(t))
		e.value(kv.Value)
		if e.err != nil {
			return nil, 0, fmt.Errorf("gguf: key %s: %w", show.Text(kv.Key), e.err)
		}
		if kv.Key == alignmentKey {
			a, ok := kv.Value.(uint32)
			if !ok || a == 0 || a&(a-1) != 0 {
				return nil, 0, fmt.Errorf("gguf: key %s: %v is no power of two as uint32", show.Text(kv.Key), kv.Value)
			}
			alignment = int(a)
		}
	}
	names := map[string]bool{}
	offset := int64(0)
	for i := range h.Tensors {
		t := &h.Tensors[i]
		switch {
		case t.Name == "" || len(t.Name) > maxNameLen || names[t.Name]:
			return nil, 0, fmt.Errorf("gguf: tensor name %s is empty, too long or used twice", show.Quoted(t.Name))
		case len(t.Dims) < 1 || len(t.Dims) > maxDims || slices.Min(t.Dims) < 1:
			return nil, 0, fmt.Errorf("gguf: tensor %s: no tensor has the shape %v", show.Text(t.Name), t.Dims)
		case !t.Type.Valid() || t.Dims[0]%t.Type.BlockLen() != 0:
			return nil, 0, fmt.Errorf("gguf: tensor %s: rows of %d weights are not whole blocks of %v", show.Text(t.Name), t.Dims[0], t.Type)
		}
		names[t.Name] = true
		e.string(t.Name)
		e.u32(uint32(len(t.Dims)))
		for _, d := range t.Dims {
			e.u64(uint64(d))
		}
		e.u32(uint32(t.Type))
		e.u64(uint64(offset))
		offset = align(offset+h.dataSize(i), alignment)
	}
	pad := align(int64(len(e.b)), alignment) - int64(len(e.b))
	return append(e.b, make([]byte, pad)...), alignment, nil
}

// encoder appends values to b.
type encoder struct {
	b     []byte
	order binary.ByteOrder
	err   error
}

func (e *encoder) u32(v uint32) {
	e.b = append(e.b, make([]byte, 4)...)
	e.order.PutUint32(e.b[len(e.b)-4:], v)
}
func (e *encoder) u64(v uint64) {
	e.b = append(e.b, make([]byte, 8)...)
	e.order.PutUint64(e.b[len(e.b)-8:], v)
}

func (e *encoder) string(s string) {
	e.u64(uint64(len(s)))
	e.b = append(e.b, s...)
}

var elementTypes = []struct {
	is  func(v any) bool
	typ ValueType
}{
	{is[uint8], Uint8}, {is[int8], Int8}, {is[uint16], Uint16}, {is[int16], Int16},
	{is[uint32], Uint32}, {is[int32], Int32}, {is[uint64], Uint64}, {is[int64], Int64},
	{is[float32], Float32}, {is[float64], Float64}, {is[bool], Bool}, {is[string], String},
}

func is[T any](v any) bool {
	switch v.(type) {
	case T, []T:
		return true
	}
	return false
}

// elementType returns the type of a scalar or of a slice's elements.
func elementType(v any) (ValueType, error) {
	for _, t := range elementTypes {
		if t.is(v) {
			return t.typ, nil
		}
	}
	if _, ok := v.([]any); ok {
		return Array, nil
	}
	return 0, fmt.Errorf("metadata has no values of type %T", v)
}

// typeOf returns the type under which a value is stored.
func typeOf(v any) (ValueType, error) {
	t, err := elementType(v)
	if length(v) >= 0 {
		return Array, err
	}
	return t, err
}

func (e *encoder) value(v any) {
	if n := length(v); n >= 0 {
		t, err := elementType(v)
		if err != nil {
			e.err = err
			return
		}
		e.u32(uint32(t))
		e.u64(uint64(n))
	}
	switch v := v.(type) {
	case string:
		e.string(v)
	case bool:
		e.bool(v)
	case []string:
		for _, s := range v {
			e.string(s)
		}
	case []bool:
		for _, x := range v {
			e.bool(x)
		}
	case []any:
		for _, x := range v {
			if length(x) < 0 && e.err == nil {
				e.err = fmt.Errorf("an array of arrays holds %T", x)
			}
			e.value(x)
		}
	default:
		if !forEach(v, func(x any) bool { e.number(x); return true }) {
			e.number(v)
		}
	}
}

func (e *encoder) bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	e.b = append(e.b, b)
}

func (e *encoder) number(v any) {
	switch v := v.(type) {
	case uint8:
		e.b = append(e.b, v)
	case int8:
		e.b = append(e.b, byte(v))
	case uint16:
		e.u16(v)
	case int16:
		e.u16(uint16(v))
	case uint32:
		e.u32(v)
	case int32:
		e.u32(uint32(v))
	case float32:
		e.u32(math.Float32bits(v))
	case uint64:
		e.u64(v)
	case int64:
		e.u64(uint64(v))
	case float64:
		e.u64(math.Float64bits(v))
	}
}

func (e *encoder) u16(v uint16) { e.b = append(e.b, 0, 0); e.order.PutUint16(e.b[len(e.b)-2:], v) }

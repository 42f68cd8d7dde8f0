package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"qgo/quant"
)

// raw builds files, also bad ones, field by field.
type raw struct{ b []byte }

func (r *raw) u32(v uint32) *raw { r.b = binary.LittleEndian.AppendUint32(r.b, v); return r }
func (r *raw) u64(v uint64) *raw { r.b = binary.LittleEndian.AppendUint64(r.b, v); return r }
func (r *raw) str(s string) *raw { r.u64(uint64(len(s))); r.b = append(r.b, s...); return r }
func (r *raw) key(k string, t ValueType) *raw {
	return r.str(k).u32(uint32(t))
}
func (r *raw) tensor(name string, typ uint32, offset uint64, dims ...uint64) *raw {
	r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r.u64(d)
	}
	return r.u32(typ).u64(offset)
}
func (r *raw) zeros(n int) *raw { r.b = append(r.b, make([]byte, n)...); return r }

func begin(tensors, entries uint64) *raw {
	r := &raw{b: []byte("GGUF")}
	return r.u32(3).u64(tensors).u64(entries)
}

// bad maps what the error must say to a file.
func bad() map[string][]byte {
	const f32, q4 = uint32(quant.F32), uint32(quant.Q4_0)
	deep := begin(0, 1).key("k", Array)
	for range 20 {
		deep.u32(uint32(Array)).u64(1)
	}
	return map[string][]byte{
		"begins with":                   []byte("GGML\x03\x00\x00\x00"),
		"version 2 to 3, found 1":       (&raw{b: []byte("GGUF")}).u32(1).zeros(64).b,
		"version 2 to 3, found 4":       (&raw{b: []byte("GGUF")}).u32(4).zeros(64).b,
		"version 2 to 3, found 0":       (&raw{b: []byte("GGUF")}).u32(0).zeros(64).b,
		"number of tensors is 1844":     begin(1<<64-1, 0).zeros(64).b,
		"number of metadata entries":    begin(0, 1<<62).zeros(64).b,
		"length of a key is 4":          begin(0, 1).u64(1 << 62).zeros(64).b,
		"1 to 65535 bytes, found 0":     begin(0, 1).key("", Uint8).zeros(64).b,
		"1 to 65535 bytes, found 7":     begin(0, 1).key(strings.Repeat("k", 70000), Uint8).zeros(64).b,
		"key k occurs twice":            begin(0, 2).key("k", Uint8).zeros(1).key("k", Uint8).zeros(64).b,
		"type is number 99":             begin(0, 1).key("k", 99).zeros(64).b,
		"expected a bool":               append(begin(0, 1).key("k", Bool).b, 7),
		"element type is number 77":     begin(0, 1).key("k", Array).u32(77).u64(1).zeros(64).b,
		"array k is 9223372036854775":   begin(0, 1).key("k", Array).u32(uint32(Uint64)).u64(1 << 63).zeros(64).b,
		"array k is 1000, but the 64":   begin(0, 1).key("k", Array).u32(uint32(String)).u64(1000).zeros(64).b,
		"length of a string in k":       begin(0, 1).key("k", Array).u32(uint32(String)).u64(1).u64(1 << 40).zeros(64).b,
		"nested more than 8":            deep.zeros(64).b,
		"power of two as uint32, foun":  begin(0, 1).key(alignmentKey, Uint32).u32(0).zeros(64).b,
		"two as uint32, found 24":       begin(0, 1).key(alignmentKey, Uint32).u32(24).zeros(64).b,
		"two as uint32, found 32":       begin(0, 1).key(alignmentKey, Uint64).u64(32).zeros(64).b,
		"dimensions, found 0":           begin(1, 0).tensor("t", f32, 0).zeros(64).b,
		"dimensions, found 5":           begin(1, 0).tensor("t", f32, 0, 1, 1, 1, 1, 1).zeros(64).b,
		"name of 1 to 64 bytes":         begin(1, 0).tensor("", f32, 0, 4).zeros(64).b,
		"are both named":                begin(2, 0).tensor("t", f32, 0, 4).tensor("t", f32, 32, 4).zeros(128).b,
		"dimension 1 of 0 is":           begin(1, 0).tensor("t", f32, 0, 4, 0).zeros(64).b,
		"dimension 1 of 4294967296":     begin(1, 0).tensor("t", f32, 0, 1<<32, 1<<32).zeros(64).b,
		"dimension 0 of 9223372036854":  begin(1, 0).tensor("t", f32, 0, 1<<63).zeros(64).b,
		"not whole blocks of 32":        begin(1, 0).tensor("t", q4, 0, 33).zeros(64).b,
		"not read its type, Q4_2; it":   begin(1, 0).tensor("t", 4, 0, 32).zeros(64).b,
		"not read its type, IQ1_S; ":    begin(1, 0).tensor("t", 19, 0, 256).zeros(256).b,
		"its type, type number 99; it ": begin(1, 0).tensor("t", 99, 0, 256).zeros(256).b,
		"multiple of 32, found 8":       begin(1, 0).tensor("t", f32, 8, 4).zeros(128).b,
		"u overlaps tensor t":           begin(2, 0).tensor("t", f32, 0, 16).tensor("u", f32, 32, 4).zeros(256).b,
		"lies past the end":             begin(1, 0).tensor("t", f32, 1<<40, 4).zeros(64).b,
		"needs 64 bytes, but the file":  begin(1, 0).tensor("t", f32, 0, 16).zeros(40).b,
	}
}

func TestBadFiles(t *testing.T) {
	for want, b := range bad() {
		_, err := Parse("bad.gguf", b)
		var fe *FormatError
		if !errors.As(err, &fe) || !strings.HasPrefix(err.Error(), "bad.gguf: ") || strings.Contains(err.Error(), "byte 0: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want a FormatError with %q", err, want)
		}
	}
}

// TestHostileTexts looks for texts of a file in errors that a terminal would
// obey, or that are long.
func TestHostileTexts(t *testing.T) {
	const esc = "\x1b[2J"
	long := esc + strings.Repeat("x", 1<<20)
	for name, b := range map[string][]byte{
		"key twice":       begin(0, 2).key(esc+"k", Uint8).zeros(1).key(esc+"k", Uint8).zeros(64).b,
		"key's type":      begin(0, 1).key(esc+"k", 99).zeros(64).b,
		"key's end":       begin(0, 1).key(esc+"k", Uint64).b,
		"long key":        begin(0, 1).key(long, Uint8).zeros(64).b,
		"array":           begin(0, 1).key(esc+strings.Repeat("k", 1<<15), Array).u32(77).zeros(64).b,
		"alignment":       begin(0, 1).key(alignmentKey, String).str(long).zeros(64).b,
		"tensor twice":    begin(2, 0).tensor(esc, 0, 0, 4).tensor(esc, 0, 32, 4).zeros(128).b,
		"tensor's type":   begin(1, 0).tensor(esc, 19, 0, 256).zeros(256).b,
		"tensor's extent": begin(1, 0).tensor(esc, 0, 0, 1<<20).zeros(256).b,
	} {
		_, err := Parse("bad.gguf", b)
		if err == nil || strings.ContainsRune(err.Error(), '\x1b') || len(err.Error()) > 400 {
			t.Errorf("%s: error %.500q", name, err)
		}
	}
	f, err := Parse("x", begin(0, 1).key(esc, String).str(long).zeros(64).b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Get[int](f, esc); err == nil || err.Error() != `x: byte 24: key \x1b[2J: expected a whole number, found the text "\x1b[2J`+strings.Repeat("x", 60)+`…"` {
		t.Errorf("Get: %v", err)
	}
}

// TestLyingHeader makes sure that lengths a file cannot hold command no
// memory.
func TestLyingHeader(t *testing.T) {
	for want, b := range bad() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse("bad.gguf", b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%q: %d bytes allocated for %v", want, n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	h := sample()
	f.Add(encode(f, h))
	h.BigEndian = true
	f.Add(encode(f, h))
	for _, b := range bad() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse("fuzz", b)
		if err != nil {
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Errorf("error %T: %v", err, err)
			}
			return
		}
		// What can be read can be written and reads as the same again.
		h := Header{Meta: file.Meta, Tensors: file.Tensors, BigEndian: file.BigEndian}
		var out bytes.Buffer
		w, err := NewWriter(&out, h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range file.Tensors {
			if err := w.WriteTensor(file.Tensors[i].Data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Meta) != len(file.Meta) || len(again.Tensors) != len(file.Tensors) {
			t.Errorf("%d entries and %d tensors became %d and %d", len(file.Meta), len(file.Tensors), len(again.Meta), len(again.Tensors))
		}
		for i := range file.Tensors {
			if !bytes.Equal(file.Tensors[i].Data, again.Tensors[i].Data) {
				t.Errorf("tensor %d has other data", i)
			}
		}
	})
}

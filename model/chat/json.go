package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// decode turns JSON into values for a template. Objects keep the order of
// their keys, strings are guarded.
func (t *Template) decode(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := t.decodeValue(d)
	if err != nil {
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("is not valid JSON: something follows the value")
	}
	return v, nil
}

func (t *Template) decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return t.decodeList(d)
		}
		return t.decodeObject(d)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case string:
		return t.guard(v), nil
	}
	return token, nil // nil or a bool
}

func (t *Template) decodeList(d *json.Decoder) (any, error) {
	list := []any{}
	for d.More() {
		v, err := t.decodeValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func (t *Template) decodeObject(d *json.Decoder) (any, error) {
	dict := exec.Dict{Pairs: []*exec.Pair{}}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := t.decodeValue(d)
		if err != nil {
			return nil, err
		}
		dict.Pairs = append(dict.Pairs, &exec.Pair{Key: exec.AsValue(t.guard(key.(string))), Value: exec.AsValue(v)})
	}
	_, err := d.Token()
	return dict, err
}

// toJSON replaces gonja's filter, which sorts keys, by one that writes what
// Python's json.dumps(value, ensure_ascii=False) does: chat templates are
// written for that.
func (t *Template) toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	var b strings.Builder
	if err := writeJSON(&b, in); err != nil {
		return exec.AsValue(fmt.Errorf("tojson: %w", err))
	}
	return exec.AsSafeValue(b.String())
}

func writeJSON(b *strings.Builder, v *exec.Value) (err error) {
	switch {
	case v.IsNil():
		b.WriteString("null")
	case v.IsBool():
		b.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsString():
		writeString(b, v.String())
	case v.IsInteger():
		b.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		b.WriteString(pythonFloat(v.Float()))
	case v.IsDict():
		b.WriteByte('{')
		for i, pair := range pairs(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			writeString(b, pair.Key.String())
			b.WriteString(": ")
			err = errors.Join(err, writeJSON(b, pair.Value))
		}
		b.WriteByte('}')
	case v.IsList():
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			err = errors.Join(err, writeJSON(b, v.Index(i)))
		}
		b.WriteByte(']')
	default:
		return fmt.Errorf("%T has no JSON form", v.Interface())
	}
	return err
}

// pairs returns the entries of an ordered dictionary or of a map.
func pairs(v *exec.Value) []*exec.Pair {
	if d, ok := v.Interface().(exec.Dict); ok {
		return d.Pairs
	}
	return v.Items()
}

func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if r < ' ' {
				fmt.Fprintf(b, `\u%04x`, r)
				continue
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// pythonFloat writes a number as Python's repr does.
func pythonFloat(v float64) string {
	if e := math.Abs(v); e != 0 && (e < 1e-4 || e >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

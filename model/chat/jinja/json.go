package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"unicode/utf16"
)

// FromJSON returns the value of a JSON text. Objects keep the order of their
// keys, strings come from outside.
func FromJSON(raw []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decode(d, 0)
	switch syntax := (*json.SyntaxError)(nil); {
	case errors.Is(err, errDeep):
		return nil, err
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return nil, errors.New("is not valid JSON: it ends too early")
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("is not valid JSON after byte %d", d.InputOffset())
	case err != nil:
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("is not valid JSON: something follows the value")
	}
	return v, nil
}

// maxDigits is the number of digits of an integer up to which all are kept.
const maxDigits = 1000

// maxJSONDepth bounds how deep JSON is nested.
const maxJSONDepth = 200

var errDeep = fmt.Errorf("nests more than %d levels deep", maxJSONDepth)

func decode(d *json.Decoder, depth int) (Value, error) {
	if depth > maxJSONDepth {
		return nil, errDeep
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return decodeList(d, depth+1)
		}
		return decodeDict(d, depth+1)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok && len(v) <= maxDigits {
			return n, nil
		}
		return v.Float64()
	case string:
		return foreign(v), nil
	}
	return token, nil // nil or a bool
}

func decodeList(d *json.Decoder, depth int) (Value, error) {
	var items []Value
	for d.More() {
		v, err := decode(d, depth)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := d.Token()
	return &list{items: items}, err
}

func decodeDict(d *json.Decoder, depth int) (Value, error) {
	dict := NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decode(d, depth)
		if err != nil {
			return nil, err
		}
		dict.set(foreign(key.(string)), v)
	}
	_, err := d.Token()
	return dict, err
}

// jsonWriter writes what Python's json.dumps does.
type jsonWriter struct {
	*builder
	ascii, sortKeys bool
	pretty          bool
	indent          text
	comma, colon    text
}

// toJSON is Hugging Face's filter tojson, whose defaults are not jinja2's.
func (s *state) toJSON(v Value, a []Value) Value {
	w := jsonWriter{builder: s.builder(), ascii: truth(given(a[0], false)), sortKeys: truth(given(a[3], false)), comma: own(", "), colon: own(": ")}
	switch indent := given(a[1], nil).(type) {
	case nil:
	case text:
		w.pretty, w.indent = true, indent
	default:
		w.pretty, w.indent = true, s.padded(text{}, max(s.wantInt(indent, "the indent of tojson"), 0), 0, " ")
	}
	if w.pretty {
		w.comma = own(",")
	}
	if separators := given(a[2], nil); separators != nil {
		pair := s.elements(separators)
		if len(pair) != 2 {
			failf("the separators of tojson are two strings")
		}
		w.comma, w.colon = s.wantText(pair[0], "a separator"), s.wantText(pair[1], "a separator")
	}
	w.value(v, 0)
	return w.text()
}

var jsonNames = map[any]string{
	nil: "null", true: "true", false: "false", "inf": "Infinity", "-inf": "-Infinity", "nan": "NaN",
}

func (w jsonWriter) value(v Value, depth int) {
	w.s.enter()
	defer w.s.leave()
	if w.scalar(v, jsonNames) {
		return
	}
	switch v := v.(type) {
	case text:
		w.string(v)
	case *list:
		w.items(v.items, depth)
	case *Dict:
		w.dict(v, depth)
	default:
		failf("a value of the type %s has no JSON form", typeName(v))
	}
}

// sequence writes n parts with commas between them and brackets around them.
func (w jsonWriter) sequence(brackets string, n, depth int, part func(i int)) {
	w.addString(brackets[:1])
	line := func(depth int) {
		if w.pretty {
			w.addString("\n")
			for range depth {
				w.add(w.indent)
			}
		}
	}
	for i := range n {
		if i > 0 {
			w.add(w.comma)
		}
		line(depth + 1)
		part(i)
	}
	if n > 0 {
		line(depth)
	}
	w.addString(brackets[1:])
}

func (w jsonWriter) items(items []Value, depth int) {
	w.sequence("[]", len(items), depth, func(i int) { w.value(items[i], depth+1) })
}

func (w jsonWriter) dict(d *Dict, depth int) {
	order := make([]int, len(d.keys))
	for i := range order {
		order[i] = i
	}
	if w.sortKeys {
		slices.SortStableFunc(order, func(i, j int) int { return w.s.order(d.keys[i], d.keys[j]) })
	}
	w.sequence("{}", len(d.keys), depth, func(i int) {
		switch k := d.keys[order[i]].(type) {
		case text:
			w.string(k)
		case nil, bool, int64, float64:
			w.addString(`"`)
			w.value(k, depth)
			w.addString(`"`)
		default:
			failf("a key of the type %s has no JSON form", typeName(k))
		}
		w.add(w.colon)
		w.value(d.values[order[i]], depth+1)
	})
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (w jsonWriter) string(t text) {
	w.addString(`"`)
	w.addEscaped(t, func(r rune, _ string) (string, bool) {
		if e, ok := jsonEscapes[r]; ok {
			return e, true
		}
		switch {
		case r >= ' ' && (r < 0x7f || !w.ascii):
			return "", false
		case r < 0x10000:
			return fmt.Sprintf(`\u%04x`, r), true
		}
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low), true
	})
	w.addString(`"`)
}

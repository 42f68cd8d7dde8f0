package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Dict is a dictionary that keeps the order of its keys.
type Dict struct {
	keys, values []Value
	index        map[key]int
}

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{index: map[key]int{}} }

// Set sets the value of a key, which is text from outside, as most keys are;
// what reads as the name of a variable matters to nobody else.
func (d *Dict) Set(key string, v Value) { d.set(foreign(key), v) }

// Has reports whether there is a value for a key.
func (d *Dict) Has(key string) bool {
	_, ok := d.lookup(key)
	return ok
}

func (d *Dict) set(k, v Value) {
	h := hash(k)
	if i, ok := d.index[h]; ok {
		d.values[i] = v
		return
	}
	d.index[h] = len(d.keys)
	d.keys = append(d.keys, k)
	d.values = append(d.values, v)
}

// get returns the value of a key.
func (s *state) get(d *Dict, k Value) (Value, bool) {
	h := hash(k)
	s.scan(len(h.s))
	if i, ok := d.index[h]; ok {
		return d.values[i], true
	}
	return nil, false
}

// lookup is get for a key that is a string.
func (d *Dict) lookup(name string) (Value, bool) {
	if i, ok := d.index[key{"s", name}]; ok {
		return d.values[i], true
	}
	return nil, false
}

// key is equal for values that are equal as keys.
type key struct{ kind, s string }

// maxKey bounds the length of a key that is a tuple.
const maxKey = 1 << 16

func hash(v Value) key {
	switch v := v.(type) {
	case *undefined:
		return key{"undefined", ""}
	case nil:
		return key{"none", ""}
	case bool, int64:
		n, _ := asInt(v)
		return key{"number", strconv.FormatInt(n, 10)}
	case *big.Int:
		return key{"number", v.String()}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<62 {
			return key{"number", strconv.FormatInt(int64(v), 10)}
		}
		return key{"number", formatFloat(v)}
	case text:
		return key{"s", v.s}
	case *list:
		if !v.tuple {
			break
		}
		var b strings.Builder
		for _, item := range v.items {
			k := hash(item)
			if b.Len()+len(k.s) > maxKey {
				failf("a tuple is too large for a key")
			}
			fmt.Fprintf(&b, "%s%d:%s", k.kind, len(k.s), k.s)
		}
		return key{"tuple", b.String()}
	}
	failf("a value of the type %s cannot be a key", typeName(v))
	return key{}
}

// view is what a dictionary's methods keys, values and items return.
type view struct {
	kind string // keys, values or items
	dict *Dict
}

func (s *state) viewed(v *view) []Value {
	switch v.kind {
	case "keys":
		return v.dict.keys
	case "values":
		return v.dict.values
	}
	s.take(96 * len(v.dict.keys))
	items := make([]Value, len(v.dict.keys))
	for i, k := range v.dict.keys {
		items[i] = &list{tuple: true, items: []Value{k, v.dict.values[i]}}
	}
	return items
}

package jinja

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// number is Python's float(v).
func (s *state) number(v Value) float64 {
	f, ok := s.parsedFloat(v)
	if !ok {
		s.wrong(v, "the value", "a number")
	}
	return f
}

func (s *state) parsedFloat(v Value) (float64, bool) {
	present(v)
	if t, ok := v.(text); ok {
		f, err := strconv.ParseFloat(strings.TrimFunc(t.s, isSpace), 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	return asFloat(v)
}

func (s *state) absolute(v Value, _ []Value) Value {
	if n, ok := asInt(v); ok {
		if n < 0 {
			return multiplied(-1, n)
		}
		return n
	}
	return math.Abs(s.wantFloat(v, "what the absolute value is taken of"))
}

func (s *state) toInt(v Value, a []Value) Value {
	if n, ok := asInt(v); ok {
		return n
	}
	if t, ok := v.(text); ok {
		base := s.wantInt(given(a[1], int64(10)), "the base")
		digits := strings.TrimFunc(t.s, isSpace)
		if base == 2 || base == 8 || base == 16 {
			for _, prefix := range map[int][]string{2: {"0b", "0B"}, 8: {"0o", "0O"}, 16: {"0x", "0X"}}[base] {
				digits = strings.TrimPrefix(digits, prefix)
			}
		}
		if base != 0 && (base < 2 || base > 36) {
			failf("a base of %d: choose 2 to 36", base)
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(digits, "_", ""), base, 64)
		if errors.Is(err, strconv.ErrRange) {
			tooLarge()
		}
		if err == nil {
			return n
		}
	}
	if f, ok := s.parsedFloat(v); ok && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return s.truncated(f)
	}
	if _, ok := v.(*big.Int); ok {
		return v
	}
	return given(a[0], int64(0))
}

func (s *state) toFloat(v Value, a []Value) Value {
	if f, ok := s.parsedFloat(v); ok {
		return f
	}
	return given(a[0], 0.0)
}

func (s *state) rounded(v Value, a []Value) Value {
	n := s.wantInt(given(a[0], int64(0)), "the precision")
	way := s.wantText(given(a[1], own("common")), "the method").s
	if _, ok := v.(text); ok {
		s.wrong(v, "what is rounded", "a number")
	}
	f := s.number(v)
	if n > 300 || math.IsInf(f, 0) || math.IsNaN(f) {
		return f // no float64 has so many places
	}
	if n < -308 {
		return 0.0
	}
	scale := math.Pow(10, float64(n))
	switch way {
	case "ceil":
		return math.Ceil(f*scale) / scale
	case "floor":
		return math.Floor(f*scale) / scale
	case "common":
	default:
		failf("the method of round is %s: choose common, ceil or floor", way)
	}
	if i, ok := asInt(v); ok {
		// As Python's round, which leaves integers what they are.
		if n < 0 {
			return s.truncated(math.RoundToEven(f*scale) / scale)
		}
		return i
	}
	if n >= 0 {
		// Decimal rounding of the exact value, half to even.
		r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
		if err == nil {
			return r
		}
	}
	return math.RoundToEven(f*scale) / scale
}

// fileSize is the filter filesizeformat.
func fileSize(n float64, binary bool) string {
	base, units := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if binary {
		base, units = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case n == 1:
		return "1 Byte"
	case n < base:
		return strconv.FormatFloat(math.Trunc(n), 'f', 0, 64) + " Bytes"
	}
	unit := base
	for i := 0; ; i++ {
		if n < unit*base || i == len(units)-1 {
			return strconv.FormatFloat(n/unit, 'f', 1, 64) + " " + units[i]
		}
		unit *= base
	}
}

package jinja

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var filters map[string]builtin

// init, for filters such as map apply others.
func init() {
	filters = map[string]builtin{
		// Strings.
		"upper":       changed(upper),
		"lower":       changed(lower),
		"capitalize":  onText("", func(s *state, t text, _ []Value) Value { return s.capitalized(t) }),
		"title":       onText("", func(s *state, t text, _ []Value) Value { return s.titleFilter(t) }),
		"trim":        onText("chars?", func(s *state, t text, a []Value) Value { return s.stripped(t, given(a[0], nil), true, true) }),
		"string":      method("", func(s *state, v Value, _ []Value) Value { return s.str(v) }),
		"escape":      onText("", func(s *state, t text, _ []Value) Value { return s.escaped(t) }),
		"forceescape": onText("", func(s *state, t text, _ []Value) Value { return s.escaped(t.marked(false)) }),
		"safe":        onText("", func(_ *state, t text, _ []Value) Value { return t.marked(true) }),
		"replace": onText("old new count?", func(s *state, t text, a []Value) Value {
			n := given(a[2], nil)
			if n == nil {
				n = int64(-1)
			}
			return s.replaced(t.marked(false), s.str(a[0]), s.str(a[1]), s.wantInt(n, "the count"))
		}),
		"center": onText("width?", func(s *state, t text, a []Value) Value {
			return textMethods["center"](s, "center", t, arguments{positional: []Value{given(a[0], int64(80))}})
		}),
		"indent":    method("width? first? blank?", (*state).indented),
		"truncate":  method("length? killwords? end? leeway?", (*state).truncate),
		"wordcount": onText("", func(_ *state, t text, _ []Value) Value { return int64(len(word.FindAllStringIndex(t.s, -1))) }),
		"striptags": onText("", func(s *state, t text, _ []Value) Value { return s.stripTags(t) }),
		"urlencode": method("", func(s *state, v Value, _ []Value) Value { return s.urlEncoded(v) }),
		"xmlattr":   method("autospace?", (*state).xmlAttributes),
		"format":    (*state).formatFilter,
		"tojson":    method("ensure_ascii? indent? separators? sort_keys?", (*state).toJSON),
		"attr":      method("name", (*state).attrFilter),
		"filesizeformat": method("binary?", func(s *state, v Value, a []Value) Value {
			return own(fileSize(s.number(v), truth(given(a[0], false))))
		}),

		// Numbers.
		"abs":   method("", (*state).absolute),
		"int":   method("default? base?", (*state).toInt),
		"float": method("default?", (*state).toFloat),
		"round": method("precision? method?", (*state).rounded),

		// Anything.
		"default": method("default_value? boolean?", func(_ *state, v Value, a []Value) Value {
			if _, ok := v.(*undefined); ok || truth(given(a[1], false)) && !truth(v) {
				return given(a[0], text{})
			}
			return v
		}),
		"length": method("", func(_ *state, v Value, _ []Value) Value { return int64(length(v)) }),
		"list":   method("", func(s *state, v Value, _ []Value) Value { return &list{items: s.appended(s.elements(v), nil)} }),
		"items": method("", func(s *state, v Value, _ []Value) Value {
			if _, ok := v.(*undefined); ok {
				return &generator{}
			}
			return &generator{s.viewed(&view{"items", s.wantDict(v, "what items are taken of")})}
		}),
		"random": method("", func(s *state, v Value, _ []Value) Value {
			items := s.elements(v)
			if len(items) == 0 {
				return &undefined{"a random element of nothing"}
			}
			return items[rand.IntN(len(items))]
		}),
	}
	for name, f := range sequenceFilters() {
		filters[name] = f
	}
	for short, name := range map[string]string{"e": "escape", "d": "default", "count": "length"} {
		filters[short] = filters[name]
	}
}

// onText makes a filter of the text that a value has.
func onText(parameters string, call func(s *state, t text, a []Value) Value) builtin {
	return method(parameters, func(s *state, v Value, a []Value) Value {
		t := s.str(v)
		s.scan(len(t.s))
		return call(s, t, a)
	})
}

// word is Python's \w+.
var word = regexp.MustCompile(`[\p{L}\p{N}_]+`)

// wordStart is what begins a word for the filter title.
var wordStart = regexp.MustCompile(`[-\s({\[<]+`)

// titleFilter is the filter title, which knows words better than the method.
func (s *state) titleFilter(t text) text {
	b := s.builder()
	add := func(t text) {
		if t.s != "" {
			first := t.offset(1)
			b.add(s.mapped(t.slice(0, first), upper))
			b.add(s.mapped(t.slice(first, len(t.s)), lower))
		}
	}
	done := 0
	for _, m := range wordStart.FindAllStringIndex(t.s, -1) {
		add(t.slice(done, m[0]))
		add(t.slice(m[0], m[1]))
		done = m[1]
	}
	add(t.slice(done, len(t.s)))
	return b.text()
}

func (s *state) indented(v Value, a []Value) Value {
	t := s.wantText(v, "what is indented")
	var by text
	switch w := given(a[0], int64(4)).(type) {
	case text:
		by = w
	default:
		by = s.padded(text{}, max(s.wantInt(w, "the width of an indent"), 0), 0, " ")
	}
	first, blank := truth(given(a[1], false)), truth(given(a[2], false))
	b := s.builder()
	b.add(t)
	b.addString("\n")
	all := s.lines(b.text(), false)
	b = s.builder()
	for i, line := range all {
		if i > 0 {
			b.addString("\n")
		}
		if i == 0 && first || i > 0 && (blank || line.s != "") {
			b.add(by)
		}
		b.add(line)
	}
	return b.text().marked(t.safe)
}

func (s *state) truncate(v Value, a []Value) Value {
	n := s.wantInt(given(a[0], int64(255)), "the length")
	end := s.wantText(given(a[2], own("...")), "the end")
	leeway := given(a[3], nil)
	if leeway == nil {
		leeway = int64(5)
	}
	slack := s.wantInt(leeway, "the leeway")
	if n < end.chars() || slack < 0 {
		failf("the length to truncate to is less than that of the end, or the leeway is negative")
	}
	if length(v) <= n+slack {
		return v
	}
	t := s.wantText(v, "what is truncated")
	cut := t.slice(0, t.offset(n-end.chars()))
	if !truth(given(a[1], false)) {
		if at := strings.LastIndexByte(cut.s, ' '); at >= 0 {
			cut = cut.slice(0, at)
		}
	}
	return s.joined([]text{cut, end}, text{})
}

var (
	markupComment = regexp.MustCompile(`(?s)<!--.*?-->`)
	markupTag     = regexp.MustCompile(`(?s)<.*?>`)
	htmlEntities  = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&#39;", "'", "&#34;", `"`, "&quot;", `"`)
)

// stripTags takes tags and comments out of HTML, and leaves one space for all
// white space.
func (s *state) stripTags(t text) text {
	plain := markupTag.ReplaceAllString(markupComment.ReplaceAllString(t.s, ""), "")
	plain = htmlEntities.Replace(strings.Join(strings.FieldsFunc(plain, isSpace), " "))
	s.take(len(plain))
	if len(t.foreign) > 0 {
		return foreign(plain)
	}
	return own(plain)
}

// quoted is urllib's quote.
func quoted(t string, keep string) string {
	var b strings.Builder
	for i := range len(t) {
		c := t[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		}
	}
	return b.String()
}

func (s *state) urlEncoded(v Value) Value {
	encode := func(v Value, keep string) text {
		t := s.str(v)
		s.take(3 * len(t.s))
		return s.mapped(t, func(t string) string { return quoted(t, keep) })
	}
	if _, ok := v.(text); ok || !iterable(v) {
		return encode(v, "/")
	}
	if d, ok := v.(*Dict); ok {
		v = &view{"items", d}
	}
	var parts []text
	for _, item := range s.elements(v) {
		pair := s.elements(item)
		if len(pair) != 2 {
			failf("urlencode takes pairs of a key and a value")
		}
		field := func(v Value) text {
			return s.mapped(encode(v, " "), func(t string) string { return strings.ReplaceAll(t, " ", "+") })
		}
		s.take(64)
		parts = append(parts, s.joined([]text{field(pair[0]), field(pair[1])}, own("=")))
	}
	return s.joined(parts, own("&"))
}

func (s *state) xmlAttributes(v Value, a []Value) Value {
	b := s.builder()
	d := s.wantDict(v, "what xmlattr takes")
	for i, k := range d.keys {
		value := d.values[i]
		if _, ok := value.(*undefined); ok || value == nil {
			continue
		}
		key := s.str(k)
		if strings.ContainsAny(key.s, " \t\n\r\f\v/>=") {
			failf("a name of an attribute has a character that it may not have")
		}
		if b.b.Len() > 0 || truth(given(a[0], true)) {
			b.addString(" ")
		}
		b.add(s.escaped(key))
		b.addString(`="`)
		b.add(s.escaped(s.str(value)))
		b.addString(`"`)
	}
	return b.text()
}

func (s *state) formatFilter(_ string, v Value, a arguments) Value {
	t := s.str(v)
	if len(a.names) == 0 {
		return s.printf(t, &list{tuple: true, items: a.positional})
	}
	if len(a.positional) > 0 {
		failf("the filter format takes arguments with names or without, not both")
	}
	return s.printf(t, dictFunction(s, a))
}

func (s *state) attrFilter(v Value, a []Value) Value {
	name := s.wantText(a[0], "the name of an attribute").s
	if v, ok := s.own(v, name); ok && !strings.HasPrefix(name, "_") {
		return v
	}
	return &undefined{"the attribute " + name}
}

// folded is the key by which filters compare strings unless case matters.
func (s *state) folded(v Value) Value {
	if t, ok := v.(text); ok && strings.ContainsFunc(t.s, unicode.IsUpper) {
		return s.mapped(t, lower)
	}
	return v
}

package jinja

import (
	"slices"
	"strconv"
)

// The functions below parse expressions, one for each level of precedence from
// the loosest to the tightest.

// expression parses an expression, or several with commas between them, which
// make a tuple.
func (p *parser) expression() expr { return p.tuple(p.condition) }

// tuple parses what item does, or several with commas between them. It ends
// before one of the words too.
func (p *parser) tuple(item func() expr, words ...string) expr {
	items, many := p.items(item, words)
	if !many {
		if len(items) == 0 {
			p.failf("unexpected %s, expected an expression", p.tok)
		}
		return items[0]
	}
	return &tupleOf{items}
}

func (p *parser) items(item func() expr, words []string) (items []expr, many bool) {
	for {
		if p.tok.kind == end || p.isOp(")") || p.tok.kind == name && slices.Contains(words, p.tok.value) {
			return items, many
		}
		items = append(items, item())
		if !p.skipOp(",") {
			return items, many
		}
		many = true
	}
}

// condition parses "a if b else c".
func (p *parser) condition() expr {
	p.enter()
	defer p.leave()
	e := p.or()
	for p.skipName("if") {
		c := &conditional{yes: e}
		c.test = p.or()
		if p.skipName("else") {
			c.no = p.condition()
		}
		e = c
	}
	return e
}

func (p *parser) or() expr  { return p.logic("or", p.and) }
func (p *parser) and() expr { return p.logic("and", p.not) }

// logic parses operands with a word between them.
func (p *parser) logic(word string, operand func() expr) expr {
	e := operand()
	for p.skipName(word) {
		e = &logic{word == "or", e, operand()}
	}
	return e
}

func (p *parser) not() expr {
	if !p.skipName("not") {
		return p.compare()
	}
	p.enter()
	defer p.leave()
	return &not{p.not()}
}

func (p *parser) compare() expr {
	c := &compare{at: at(p.tok.line), first: p.sum()}
	for {
		op := p.tok.value
		switch {
		case p.tok.kind == operator && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, op), p.isName("in"):
			p.advance()
		case p.isName("not") && p.look().kind == name && p.look().value == "in":
			p.advance()
			p.advance()
			op = "not in"
		case c.operands == nil:
			return c.first
		default:
			return c
		}
		c.operators = append(c.operators, op)
		c.operands = append(c.operands, p.sum())
	}
}

// leftToRight parses operands with operators of one level between them.
func (p *parser) leftToRight(operand func() expr, operators ...string) expr {
	e := operand()
	for p.tok.kind == operator && slices.Contains(operators, p.tok.value) {
		op := p.advance()
		e = &binary{at(op.line), op.value, e, operand()}
	}
	return e
}

func (p *parser) sum() expr     { return p.leftToRight(p.concat, "+", "-") }
func (p *parser) product() expr { return p.leftToRight(p.power, "*", "/", "//", "%") }
func (p *parser) power() expr {
	return p.leftToRight(func() expr { return p.unary(true) }, "**")
}

func (p *parser) concat() expr {
	c := &concat{at: at(p.tok.line), parts: []expr{p.product()}}
	for p.skipOp("~") {
		c.parts = append(c.parts, p.product())
	}
	if len(c.parts) == 1 {
		return c.parts[0]
	}
	return c
}

// unary parses a sign or an operand, and what follows it.
func (p *parser) unary(filters bool) (e expr) {
	p.enter()
	defer p.leave()
	line := at(p.tok.line)
	switch {
	case p.skipOp("-"):
		e = &signed{line, -1, p.unary(false)}
	case p.skipOp("+"):
		e = &signed{line, 1, p.unary(false)}
	default:
		e = p.primary()
	}
	e = p.postfix(e)
	if !filters {
		return e
	}
	for {
		switch {
		case p.isOp("|"):
			e = p.filters(e, false)
		case p.isName("is"):
			e = p.test(e)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
}

var constants = map[string]Value{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) primary() expr {
	t := p.advance()
	switch {
	case t.kind == name:
		if v, ok := constants[t.value]; ok {
			return &constant{v}
		}
		for _, m := range p.macros {
			m.uses[t.value] = true
		}
		return &variable{at(t.line), t.value}
	case t.kind == str:
		for p.tok.kind == str {
			t.value += p.advance().value
		}
		return &constant{own(t.value)}
	case t.kind == integer:
		return &constant{p.integer(t)}
	case t.kind == float:
		f, err := strconv.ParseFloat(t.value, 64)
		if err != nil {
			p.failf("the number %s is too large", t)
		}
		return &constant{f}
	case t.kind == operator && t.value == "(":
		items, many := p.items(p.condition, nil)
		p.expect(operator, ")")
		if len(items) == 1 && !many {
			return items[0]
		}
		return &tupleOf{items}
	case t.kind == operator && t.value == "[":
		return &listOf{p.until("]", p.condition)}
	case t.kind == operator && t.value == "{":
		return p.dict(at(t.line))
	}
	p.lex.line = t.line
	failf("unexpected %s", t)
	return nil
}

func (p *parser) integer(t token) int64 {
	n, err := strconv.ParseInt(t.value, 0, 64)
	if err != nil {
		p.failf("the number %s is too large", t)
	}
	return n
}

// until parses items with commas between them up to a bracket.
func (p *parser) until(bracket string, item func() expr) (items []expr) {
	for !p.isOp(bracket) {
		if items != nil {
			p.expect(operator, ",")
			if p.isOp(bracket) {
				break
			}
		}
		items = append(items, item())
	}
	p.advance()
	return items
}

func (p *parser) dict(line at) expr {
	d := &dictOf{at: line}
	d.keys = p.until("}", func() expr {
		key := p.condition()
		p.expect(operator, ":")
		d.values = append(d.values, p.condition())
		return key
	})
	return d
}

// postfix parses attributes, subscripts and calls of e.
func (p *parser) postfix(e expr) expr {
	for {
		line := at(p.tok.line)
		switch {
		case p.skipOp("."):
			if p.tok.kind == integer {
				e = &subscript{line, e, &constant{p.integer(p.advance())}}
			} else {
				e = &attribute{line, e, p.expect(name, "").value}
			}
		case p.skipOp("["):
			keys := p.until("]", p.key)
			switch len(keys) {
			case 0:
				p.failf("the brackets of a subscript are empty")
			case 1:
				e = &subscript{line, e, keys[0]}
			default:
				e = &subscript{line, e, &tupleOf{keys}}
			}
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
}

// key parses an index or a slice.
func (p *parser) key() expr {
	s := &sliceOf{at: at(p.tok.line)}
	if !p.isOp(":") {
		s.start = p.condition()
		if !p.isOp(":") {
			return s.start
		}
	}
	p.expect(operator, ":")
	part := func() expr {
		if p.isOp(":") || p.isOp("]") || p.isOp(",") {
			return nil
		}
		return p.condition()
	}
	s.stop = part()
	if p.skipOp(":") {
		s.step = part()
	}
	return s
}

func (p *parser) call(function expr) expr {
	return &call{at(p.tok.line), function, p.arguments()}
}

func (p *parser) arguments() (a callArguments) {
	p.expect(operator, "(")
	p.until(")", func() expr {
		switch {
		case a.dict != nil:
			p.failf("nothing may follow **")
		case p.skipOp("**"):
			a.dict = p.condition()
		case p.isOp("*") && a.list == nil:
			p.advance()
			a.list = p.condition()
		case p.tok.kind == name && p.look().kind == operator && p.look().value == "=":
			a.names = append(a.names, p.advance().value)
			p.advance()
			a.keywords = append(a.keywords, p.condition())
		case a.names != nil || a.list != nil:
			p.failf("an argument without a name follows one with a name")
		default:
			a.positional = append(a.positional, p.condition())
		}
		return nil
	})
	return a
}

// filters parses filters with bars before them; the first has none if inline.
func (p *parser) filters(e expr, inline bool) expr {
	for inline || p.skipOp("|") {
		inline = false
		f := &application{kind: "filter", of: e, at: at(p.tok.line), name: p.dotted()}
		if p.isOp("(") {
			f.arguments = p.arguments()
		}
		e = f
	}
	return e
}

// dotted parses the name of a filter or a test.
func (p *parser) dotted() string {
	n := p.expect(name, "").value
	for p.skipOp(".") {
		n += "." + p.expect(name, "").value
	}
	return n
}

// test parses "is" and what follows.
func (p *parser) test(e expr) expr {
	line := at(p.advance().line)
	negated := p.skipName("not")
	t := &application{kind: "test", of: e, at: line, name: p.dotted()}
	switch {
	case p.isOp("("):
		t.arguments = p.arguments()
	case p.isName("is"):
		p.failf("tests with is cannot be chained")
	case p.isName("else"), p.isName("or"), p.isName("and"):
	case p.tok.kind == name, p.tok.kind == str, p.tok.kind == integer, p.tok.kind == float, p.isOp("["), p.isOp("{"):
		t.arguments.positional = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &not{t}
	}
	return t
}

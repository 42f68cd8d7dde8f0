// Draws the charts whose data are in the page: {title, x, y, series, marks,
// apart, bars, heat, stacks}, as chart.go describes them. Colours are CSS variables, so
// that they follow light, dark and print.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("data").textContent);
  const colour = (i) => (i < 0 ? "var(--grey)" : `var(--c${i})`);
  const digits = (v) => {
    const a = Math.abs(v);
    if (v !== 0 && (a < 1e-4 || a >= 1e9)) return v.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
    return v.toLocaleString("en", {maximumSignificantDigits: 6, useGrouping: a >= 1e4});
  };
  const element = (name, properties = {}, ...children) => {
    const e = Object.assign(document.createElement(name), properties);
    e.append(...children);
    return e;
  };
  const narrow = 600; // below it there is no room for names in plots
  const style = {fontSize: "12px", fontFamily: "inherit", background: "var(--bg)", color: "var(--fg)"};
  const tipStyle = {fill: "var(--bg)", stroke: "var(--soft)", lineWidth: 26, lineHeight: 1.25, fontSize: 12, textPadding: 7};

  // A legend's swatch: a line, dashed or not, or a dot.
  function swatch(series) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", 22);
    svg.setAttribute("height", 10);
    const put = (name, attributes) => {
      const e = document.createElementNS(svg.namespaceURI, name);
      for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
      svg.append(e);
    };
    if (series.as !== "dots") put("line", {x1: 0, x2: 22, y1: 5, y2: 5, stroke: colour(series.colour), "stroke-width": 2, "stroke-dasharray": series.dash ? "5 3" : "none"});
    if (series.as === "dots" || series.as === "both") put("circle", {cx: 11, cy: 5, r: 4, fill: colour(series.colour)});
    return svg;
  }

  function legend(chart, width) {
    const box = element("div", {className: "legend"});
    const named = chart.series.filter((s) => !(s.label && width > narrow) && (s.colour >= 0 || !chart.others || s.as === "line"));
    for (const s of named) box.append(element("span", {}, swatch(s), s.name));
    if (chart.others) {
      const other = {colour: -1, as: chart.series[0].as};
      box.append(element("span", {}, swatch(other), `${chart.others} more in grey: point at one for its name`));
    }
    if (chart.apart) box.append(element("span", {className: "bad"}, "▲ impossible, at the plot’s edge"));
    return box;
  }

  // The options of a scale; ticks that would cover each other are left out.
  function scale(axis, length, vertical) {
    const options = {label: axis.label, type: axis.log ? "log" : "linear", domain: [axis.lo, axis.hi], labelArrow: "none"};
    const at = (v) => (axis.log ? Math.log(v / axis.lo) / Math.log(axis.hi / axis.lo) : (v - axis.lo) / (axis.hi - axis.lo)) * length;
    if (axis.ticks) {
      let last = -Infinity;
      options.ticks = axis.ticks.filter((v) => {
        const need = vertical ? 16 : 8 * digits(v).length + 6;
        if (at(v) - last < need) return false;
        last = at(v);
        return true;
      });
    } else {
      options.ticks = Math.max(2, Math.min(10, Math.floor(length / (vertical ? 45 : 70))));
    }
    return options;
  }

  function xy(chart, width) {
    const height = Math.round(Math.max(260, Math.min(420, width * 0.5)));
    const margins = {marginTop: 26, marginRight: 18, marginBottom: 38, marginLeft: 52};
    const innerX = width - margins.marginLeft - margins.marginRight;
    const innerY = height - margins.marginTop - margins.marginBottom;
    const x = scale(chart.x, innerX, false);
    const y = scale(chart.y, innerY, true);
    const marks = [];
    // A list of ticks is given as data: Plot would leave out some labels of a logarithmic axis.
    const axis = (mark, s, options) => (Array.isArray(s.ticks) ? mark(s.ticks, options) : mark({ticks: s.ticks, ...options}));
    const grid = {stroke: "var(--line)", strokeOpacity: 1};
    const label = (s) => ({label: s.label, labelArrow: "none", tickSize: 4, ...(Array.isArray(s.ticks) ? {text: digits} : {tickFormat: digits})});
    marks.push(axis(Plot.gridX, x, grid), axis(Plot.gridY, y, grid));
    marks.push(axis(Plot.axisX, x, {...label(x), labelAnchor: "right"}), axis(Plot.axisY, y, {...label(y), labelAnchor: "top"}));
    const points = [];
    const order = [...chart.series].sort((a, b) => (a.colour < 0 ? 0 : 1) - (b.colour < 0 ? 0 : 1));
    for (const s of order) {
      const inside = s.points.map(([px, py], i) => ({
        x: px, y: py,
        title: [s.name, `${chart.x.label}: ${digits(px)}`, `${chart.y.label}: ${digits(py)}`, (s.tips?.[i] ?? "").trim()].filter(Boolean).join("\n"),
      }));
      points.push(...inside);
      const stroke = colour(s.colour);
      if (s.as !== "dots") {
        const thin = s.colour < 0;
        marks.push(Plot.line(inside, {x: "x", y: "y", stroke, strokeWidth: thin ? 1 : 1.8, strokeDasharray: s.dash ? "5 3" : undefined, curve: s.as === "steps" ? "step-after" : "linear", clip: true}));
      }
      if (s.as === "dots" || s.as === "both") marks.push(Plot.dot(inside, {x: "x", y: "y", fill: stroke, r: s.points.length > 150 ? 2 : 3.5, fillOpacity: 0.85}));
      if (s.label && inside.length && width > narrow) {
        const end = inside[inside.length - 1];
        marks.push(Plot.text([end], {x: "x", y: "y", text: [s.name], textAnchor: "end", lineAnchor: "bottom", dy: -3, fontSize: 11, fill: "var(--soft)", stroke: "var(--bg)", strokeWidth: 3, textOverflow: "ellipsis", lineWidth: innerX / 12}));
      }
    }
    for (const m of chart.marks ?? []) {
      const options = {stroke: "var(--bad)", strokeWidth: 1, strokeDasharray: "2 3"};
      marks.push(m.x !== undefined ? Plot.ruleX([m.x], options) : Plot.ruleY([m.y], options));
      points.push({x: m.x ?? chart.x.hi, y: m.y ?? chart.y.hi, title: m.text});
      if (m.x !== undefined) marks.push(Plot.text([m], {x: "x", y: () => chart.y.hi, text: () => "▾", fill: "var(--bad)", dy: -4}));
    }
    // What is impossible stands at the top, and the axis does not reach for it.
    const apart = (chart.apart ?? []).map((a) => ({x: Math.min(Math.max(a.x, chart.x.lo), chart.x.hi), y: chart.y.hi, title: a.text}));
    marks.push(Plot.text(apart, {x: "x", y: "y", text: () => "▲", fill: "var(--bad)", fontSize: 14}));
    points.push(...apart);
    marks.push(Plot.tip(points, Plot.pointer({x: "x", y: "y", title: "title", ...tipStyle})));
    return Plot.plot({width, height, ...margins, style, x, y, marks, ariaLabel: chart.title});
  }

  // Bars in groups: a heading, and below it a row for each platform.
  function bars(chart, width) {
    const row = 34, head = 26;
    let top = 0;
    const rows = chart.bars.map((b) => {
      const y = top;
      top += b.head ? head : row;
      return {...b, y, colour: colour(b.colour), title: [b.name, b.text, b.share ? `${digits(b.share)} % of the best` : "", b.tip].filter(Boolean).join("\n")};
    });
    const all = rows.filter((b) => !b.head);
    const text = {x: 0, textAnchor: "start", textOverflow: "ellipsis", lineWidth: width / 13};
    return Plot.plot({
      width, height: top + 10, marginLeft: 4, marginRight: 4, marginTop: 0, marginBottom: 10, style, ariaLabel: chart.title,
      x: {domain: [0, 100], axis: null}, y: {domain: [0, top], reverse: true, axis: null, range: [top, 0]},
      marks: [
        Plot.text(rows.filter((b) => b.head), {...text, y: (b) => b.y + head / 2 + 2, text: "head", fontWeight: "bold", fontSize: 12.5}),
        Plot.text(all, {...text, y: (b) => b.y + 8, text: "name", fill: "var(--soft)", lineWidth: width / 18}),
        Plot.text(all, {x: 100, y: (b) => b.y + 8, text: "text", textAnchor: "end", fill: (b) => (b.share ? "var(--fg)" : "var(--bad)")}),
        Plot.ruleY(all, {x1: 0, x2: 100, y: (b) => b.y + 22, stroke: "var(--line)", strokeWidth: 9}),
        Plot.ruleY(all.filter((b) => b.share), {x1: 0, x2: "share", y: (b) => b.y + 22, stroke: "colour", strokeWidth: 9}),
        Plot.text(all.filter((b) => !b.share), {x: 100, y: (b) => b.y + 22, text: () => "▲", fill: "var(--bad)", textAnchor: "end", fontSize: 13}),
        Plot.tip(all, Plot.pointerY({x: (b) => b.share / 2, y: (b) => b.y + 18, title: "title", ...tipStyle})),
      ],
      color: {type: "identity"},
    });
  }

  const operation = (i) => `var(--o${i})`;
  const ruler = document.createElement("canvas").getContext("2d");

  // What fits into a width of the names of a part: with its share, alone, or nothing.
  function fitting(part, room) {
    ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return [`${part.name} ${part.label}`, part.name, ""].find((text) => !text || ruler.measureText(text).width + 8 <= room);
  }

  // The colours of all parts, in the order of the pass.
  function operations(chart) {
    const names = new Map();
    for (const s of chart.stacks) for (const p of s.parts) names.set(p.colour < 0 ? Infinity : p.colour, p.colour < 0 ? "others" : p.name);
    const box = element("div", {className: "legend"});
    for (const [i, name] of [...names].sort((a, b) => a[0] - b[0])) {
      const key = element("span", {className: "key"});
      key.style.background = operation(i === Infinity ? -1 : i);
      box.append(element("span", {}, key, name));
    }
    return box;
  }

  // Bars of parts that add up to the same length, with headings.
  function stacks(chart, width) {
    const head = 26, line = 18, thick = 26, gap = 10, margin = 4;
    const parts = [], rows = [], points = [];
    let top = 0;
    for (const s of chart.stacks) {
      if (s.head) rows.push({y: top + head / 2 + 2, text: s.head, bold: true});
      if (s.head) top += head;
      if (s.name) rows.push({y: top + line / 2, text: s.name});
      if (s.name) top += line;
      rows.push({y: rows.at(-1).y, text: s.text, end: true});
      let at = 0;
      for (const p of s.parts) {
        const pixels = p.share * (width - 2 * margin);
        parts.push({x1: at, x2: at + p.share, x: at + p.share / 2, y: top + thick / 2, colour: operation(p.colour), text: fitting(p, pixels)});
        // Points so close that the nearest one is in the part that is pointed at.
        const n = Math.ceil(pixels / 6);
        for (let i = 0; i < n; i++) points.push({x: at + p.share * (i + 0.5) / n, y: top + thick / 2, title: `${p.name}: ${p.tip}`});
        at += p.share;
      }
      top += thick + gap;
    }
    const text = {x: 0, y: "y", text: "text", textAnchor: "start", textOverflow: "ellipsis", lineWidth: width / 18};
    return Plot.plot({
      width, height: top, marginLeft: margin, marginRight: margin, marginTop: 0, marginBottom: 0, style, ariaLabel: chart.title,
      x: {domain: [0, 1], axis: null}, y: {domain: [0, top], range: [0, top], axis: null},
      marks: [
        Plot.text(rows.filter((r) => r.bold), {...text, fontWeight: "bold", fontSize: 12.5}),
        Plot.text(rows.filter((r) => !r.bold && !r.end), {...text, fill: "var(--soft)"}),
        Plot.text(rows.filter((r) => r.end), {x: 1, y: "y", text: "text", textAnchor: "end"}),
        Plot.ruleY(parts, {x1: "x1", x2: "x2", y: "y", stroke: "colour", strokeWidth: thick, insetLeft: 0.5, insetRight: 0.5}),
        Plot.text(parts.filter((p) => p.text), {x: "x", y: "y", text: "text", fill: "var(--on)"}),
        Plot.tip(points, Plot.pointer({x: "x", y: "y", title: "title", ...tipStyle})),
      ],
      color: {type: "identity"},
    });
  }

  // A heat map whose rows have their names above them, where there is room.
  function heat(chart, width) {
    const {columns, rows, values, most, unit} = chart.heat;
    const cells = [];
    rows.forEach((name, r) => columns.forEach((column, c) => {
      const v = values[r][c];
      if (v === null) return;
      const bad = v < 0;
      cells.push({column, r, value: Math.abs(v), share: 0.06 + (bad || !most ? 0 : 0.6 * v / most), bad, title: `${name}\n${column}\n${digits(Math.abs(v))} ${unit}${bad ? ", impossible" : ""}`});
    }));
    const row = 48, marginBottom = 92;
    const height = rows.length * row + marginBottom + 4;
    const label = (v) => (v >= 100 ? Math.round(v).toString() : v.toPrecision(3));
    return Plot.plot({
      width, height, marginLeft: 34, marginRight: 4, marginTop: 4, marginBottom, style, ariaLabel: chart.title,
      x: {domain: columns, label: null, type: "band", padding: 0.04}, y: {domain: rows.map((_, i) => i), type: "band", axis: null},
      opacity: {type: "identity"},
      marks: [
        Plot.axisX({tickRotate: -40, tickSize: 0, textAnchor: "end", label: null}),
        Plot.text(rows, {y: (_, i) => i, frameAnchor: "left", text: (d) => d, textAnchor: "start", dy: -14, fill: "var(--soft)", textOverflow: "ellipsis", lineWidth: width / 14}),
        Plot.cell(cells, {x: "column", y: "r", fill: "var(--heat)", fillOpacity: "share", insetTop: 20}),
        Plot.text(cells, {x: "column", y: "r", text: (d) => label(d.value) + (d.bad ? " !" : ""), dy: 10, fill: (d) => (d.bad ? "var(--bad)" : "var(--fg)"), fontSize: width < narrow ? 10 : 12}),
        Plot.tip(cells, Plot.pointer({x: "column", y: "r", title: "title", ...tipStyle})),
      ],
      color: {type: "identity"},
    });
  }

  function draw(box) {
    const chart = charts[box.dataset.chart];
    const width = Math.max(280, Math.floor(box.clientWidth));
    if (box.drawn === width) return;
    box.drawn = width;
    const parts = [];
    if (chart.bars) parts.push(bars(chart, width));
    else if (chart.heat) parts.push(heat(chart, width));
    else if (chart.stacks) parts.push(operations(chart), stacks(chart, width));
    else parts.push(legend(chart, width), xy(chart, width));
    box.replaceChildren(...parts);
  }

  const boxes = [...document.querySelectorAll(".chart")];
  boxes.forEach(draw);
  const again = new ResizeObserver((entries) => entries.forEach((e) => draw(e.target)));
  boxes.forEach((b) => again.observe(b));
})();

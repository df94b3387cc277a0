// Drawing: SVG elements, colours of numbers, heat maps and curves.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  return made;
}

function html(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  return made;
}

const shown = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))));
const short = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(2))));

// For boxes: a few digits, and an exponent in the place of many zeros.
function brief(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const few = Number(value.toPrecision(digits));
  return few !== 0 && Math.abs(few) < 0.001 ? few.toExponential() : String(few);
}

const mix = (a, b, share) => a.map((c, k) => Math.round(c + (b[k] - c) * share));
const NEAR = [247, 247, 247], ABOVE = [228, 112, 98], BELOW = [108, 162, 218], FULL = [84, 178, 146];

// Around 0: blue below, red above. A gate: white when shut, green when open.
function colour(value, limit, isGate) {
  if (value === null) return "rgb(128 128 128)";
  if (isGate) return `rgb(${mix(NEAR, FULL, Math.max(0, Math.min(1, value))).join(" ")})`;
  const share = Math.max(-1, Math.min(1, value / (limit || 1)));
  return `rgb(${mix(NEAR, share < 0 ? BELOW : ABOVE, Math.abs(share)).join(" ")})`;
}

function largest(rows) {
  let most = 0;
  for (const row of rows) for (const value of row) most = Math.max(most, Math.abs(value ?? 0));
  return most;
}

class Picture {
  constructor(width, height, label) {
    this.svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  }
  add(name, attributes, text = "") {
    const made = element(name, attributes, text);
    this.svg.append(made);
    return made;
  }
  text(x, y, text, attributes = {}) {
    return this.add("text", { x, y, "text-anchor": "middle", ...attributes }, text);
  }
  // A line through points, with a head at its end.
  arrow(points, attributes = {}) {
    this.add("polyline", { points: points.map((p) => p.join(",")).join(" "), class: "line", ...attributes });
    const [[x0, y0], [x, y]] = points.slice(-2);
    this.head(x, y, Math.atan2(y - y0, x - x0));
  }
  head(x, y, angle) {
    const corner = (turn) => `${x - 8 * Math.cos(angle + turn)},${y - 8 * Math.sin(angle + turn)}`;
    this.add("polygon", { points: `${x},${y} ${corner(0.45)} ${corner(-0.45)}`, class: "head" });
  }
  curve(path, end, angle) {
    this.add("path", { d: path, class: "line" });
    this.head(end[0], end[1], angle);
  }
  // A box with a name and a number in the colour of its value.
  box(x, y, width, height, name, value, fill, attributes = {}) {
    this.add("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 7, fill, class: "box", ...attributes });
    this.text(x, y - 3, name, { class: "on-colour" });
    this.text(x, y + 14, value, { class: "on-colour", "data-value": name });
  }
  sign(x, y, sign) {
    this.add("circle", { cx: x, cy: y, r: 13, fill: "var(--paper)", class: "box" });
    this.text(x, y + 5, sign);
  }
  // A number beside a line, by its name.
  tag(x, y, name, value, anchor = "middle") {
    this.text(x, y, `${name} = ${value}`, { "text-anchor": anchor, "data-value": name });
  }
}

// A heat map of rows[step][unit], a column a step; `pick(step, unit)` is called for a click.
function heatMap(rows, { isGate = false, t, unit, label, tip, pick, range, square = false }) {
  const figure = html("figure"), canvas = html("canvas", { role: "img", "aria-label": label });
  const limit = isGate ? 1 : largest(rows), columns = rows.length, height = rows[0].length;
  const caption = html("figcaption");
  caption.append(html("span", {}, label), html("span", { class: "range" }, range ?? (isGate ? "0 … 1" : `± ${short(limit)}`)));
  figure.append(caption, canvas);
  const tall = Math.max(7, Math.min(20, 150 / height)) * height;
  canvas.style.height = square ? "auto" : `${tall}px`;
  canvas.width = Math.max(columns * Math.max(2, Math.ceil(640 / columns)), 1);
  canvas.height = square ? canvas.width : Math.round(tall) * 2;
  const pen = canvas.getContext("2d"), wide = canvas.width / columns, high = canvas.height / height;
  for (let s = 0; s < columns; s++)
    for (let k = 0; k < height; k++) {
      pen.fillStyle = colour(rows[s][k], limit, isGate);
      pen.fillRect(Math.floor(s * wide), Math.floor(k * high), Math.ceil(wide), Math.ceil(high));
    }
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--mark");
  pen.strokeStyle = ink;
  pen.lineWidth = 3;
  if (t !== undefined) pen.strokeRect(t * wide + 1, 1, Math.max(wide - 2, 2), canvas.height - 2);
  if (unit !== undefined) {
    pen.lineWidth = 1.5;
    pen.strokeRect(1, unit * high + 1, canvas.width - 2, Math.max(high - 2, 2));
  }
  const place = (event) => {
    const area = canvas.getBoundingClientRect();
    const s = Math.floor(((event.clientX - area.left) / area.width) * columns);
    const k = Math.floor(((event.clientY - area.top) / area.height) * height);
    return [Math.max(0, Math.min(columns - 1, s)), Math.max(0, Math.min(height - 1, k))];
  };
  canvas.addEventListener("pointermove", (event) => {
    const [s, k] = place(event);
    showTip(event, tip(s, k, rows[s][k]));
  });
  canvas.addEventListener("pointerleave", hideTip);
  if (pick) canvas.addEventListener("click", (event) => pick(...place(event)));
  return figure;
}

function showTip(event, text) {
  const tip = document.getElementById("tip");
  tip.textContent = text;
  tip.hidden = false;
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, event.clientY - 34)}px`;
}

function hideTip() {
  document.getElementById("tip").hidden = true;
}

// Curves of one or more lists of numbers on a logarithmic axis, with their names at the right.
function curves(lines, t, width, label, pick) {
  const height = 260, left = 64, right = 16, top = 16, bottom = 34;
  const picture = new Picture(width, height, label);
  const positive = lines.flatMap((line) => line.values).filter((v) => v > 0);
  const low = Math.floor(Math.log10(Math.max(Math.min(...positive, 1), 1e-30)));
  const high = Math.ceil(Math.log10(Math.max(...positive, 1e-30)) + 1e-9);
  const span = Math.max(high - low, 1), steps = lines[0].values.length;
  const x = (s) => left + (s / Math.max(steps - 1, 1)) * (width - left - right);
  const y = (v) => top + ((low + span - Math.log10(v)) / span) * (height - top - bottom);
  const every = Math.max(1, Math.ceil(span / 5));
  for (let power = low; power <= low + span; power += every) {
    const level = y(10 ** power);
    picture.add("line", { x1: left, x2: width - right, y1: level, y2: level, stroke: "var(--edge)" });
    const tick = picture.text(left - 8, level + 4, "10", { class: "small", "text-anchor": "end" });
    tick.append(element("tspan", { dy: -5, "font-size": 10 }, String(power)));
  }
  const ticks = Math.max(1, Math.ceil(steps / Math.min(10, width / 60)));
  for (let s = 0; s < steps; s += ticks) picture.text(x(s), height - 10, String(s), { class: "small" });
  picture.add("line", { x1: x(t), x2: x(t), y1: top, y2: height - bottom, stroke: "var(--mark)", "stroke-width": 2 });
  lines.forEach((line) => {
    const points = line.values.map((v, s) => (v > 0 ? `${x(s)},${y(v)}` : null)).filter(Boolean).join(" ");
    const dashes = line.dashed ? "6 4" : "none";
    const style = { points, fill: "none", stroke: line.colour, "stroke-width": 2, "stroke-dasharray": dashes };
    picture.add("polyline", style);
    const value = line.values[t];
    if (value > 0) picture.add("circle", { cx: x(t), cy: y(value), r: 5, fill: line.colour });
  });
  const area = picture.add("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom, fill: "transparent", class: "pick" });
  area.addEventListener("click", (event) => {
    const box = picture.svg.getBoundingClientRect();
    const share = (event.clientX - box.left - left) / (width - left - right);
    pick(Math.max(0, Math.min(steps - 1, Math.round(share * (steps - 1)))));
  });
  return picture.svg;
}

// The page: what is chosen (step, layer, unit, view, language), and the pictures that follow it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const chosen = { t: 0, layer: 0, unit: 0, view: "unrolled", language: "en" };
const at = (id) => document.getElementById(id);

const WORDS = {
  en: {
    title: "Inside a recurrent network", step: "step", before: "one step back", after: "one step on",
    play: "play", stop: "stop", tokens: "steps of the sequence", layer: "layer", unit: "unit",
    network: "The network", folded: "folded", unrolled: "unrolled", units: "unit by unit",
    foldedSays: "One cell, used again at every step: its hidden state h goes back into it.",
    unrolledSays: "The same cell and the same weights at every step; h (and c) go from step to step. Colours: the chosen unit's h.",
    unitsSays: "Every unit sees the whole input x and the hidden state of the step before. Blue is negative, red positive; thick lines matter most for the chosen unit.",
    cell: "The cell and its numbers", cellSays: "One unit at one step. A gate is a number between 0 (shut) and 1 (open).",
    equations: "equations", output: "The output", overTime: "Over time",
    overTimeSays: "A column is a step, a row is a unit. Hover for numbers, click to go there.",
    wayBack: "The way back: gradients",
    lastStep: "L is the sum of the last step's output. How strongly it depends on the state at step t (logarithmic):",
    ownLoss: "L is the loss that was given. How strongly it depends on the state at step t (logarithmic):",
    influence: "What is left of step s in step t", influenceSays: "The size of dh_t/dx_s: a column is t, a row is s.",
    attention: "Attention weights", finalOutput: "The model gives one output for the whole sequence.",
    eachOutput: "The output at this step.", softmaxSays: "The bars are the softmax of y.",
    ofSteps: "steps shown, of", ofUnits: "units shown, of", backwards: "reads backwards", language: "한국어",
  },
  ko: {
    title: "순환 신경망의 안을 들여다보기", step: "시점", before: "이전 시점", after: "다음 시점",
    play: "재생", stop: "멈춤", tokens: "시퀀스의 시점들", layer: "층", unit: "유닛",
    network: "신경망", folded: "접은 그림", unrolled: "펼친 그림", units: "유닛별 그림",
    foldedSays: "셀 하나를 시점마다 다시 씁니다. 은닉 상태 h가 다음 시점의 입력으로 되돌아갑니다.",
    unrolledSays: "모든 시점이 같은 셀, 같은 가중치를 씁니다. h(와 c)가 다음 시점으로 넘어갑니다. 색은 고른 유닛의 h입니다.",
    unitsSays: "유닛마다 입력 x 전체와 이전 시점의 은닉 상태를 봅니다. 파랑은 음수, 빨강은 양수이고, 굵은 선일수록 고른 유닛에 크게 작용합니다.",
    cell: "셀과 그 안의 숫자", cellSays: "한 시점, 한 유닛의 계산입니다. 게이트는 0(닫힘)과 1(열림) 사이의 수입니다.",
    equations: "수식", output: "출력", overTime: "시간에 따라",
    overTimeSays: "열은 시점, 행은 유닛입니다. 마우스를 올리면 값이 보이고, 누르면 그 시점으로 갑니다.",
    wayBack: "역전파: 거슬러 가는 기울기",
    lastStep: "L은 마지막 시점 출력의 합입니다. L이 시점 t의 상태에 얼마나 민감한지 보여 줍니다(로그 눈금).",
    ownLoss: "L은 주어진 손실입니다. L이 시점 t의 상태에 얼마나 민감한지 보여 줍니다(로그 눈금).",
    influence: "시점 s가 시점 t에 남긴 것", influenceSays: "dh_t/dx_s의 크기입니다. 열은 t, 행은 s입니다.",
    attention: "어텐션 가중치", finalOutput: "이 모델은 시퀀스 전체에 출력을 하나 냅니다.",
    eachOutput: "이 시점의 출력입니다.", softmaxSays: "막대는 y의 소프트맥스입니다.",
    ofSteps: "개 시점 표시, 전체", ofUnits: "개 유닛 표시, 전체", backwards: "거꾸로 읽음", language: "English",
  },
};
const say = (word) => WORDS[chosen.language][word];
const COLOURS = ["#3a76b9", "#ca483a", "#2c7f68", "#9a6ab0", "#b3541e", "#5a7a1f"];

const layer = () => DATA.layers[chosen.layer];
const token = (t) => (DATA.tokens.length ? DATA.tokens[t] : `x${t}`);
const cut = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join("") + "…" : text);
const valueOf = (name, t = chosen.t, unit = chosen.unit) => layer().values[name]?.[t]?.[unit];

function choose(changes) {
  Object.assign(chosen, changes);
  chosen.unit = Math.min(chosen.unit, layer().units - 1);
  render();
}

// ---- the network ---------------------------------------------------------------------------------------------------

function fillOf(name, t = chosen.t, unit = chosen.unit) {
  const values = layer().values[name];
  if (!values) return "var(--paper)";
  return colour(values[t][unit], largest(values), layer().gates.includes(name));
}

function folded() {
  const p = new Picture(440, 250, say("folded"));
  const { kind } = layer();
  p.text(60, 132, cut(token(chosen.t), 8));
  p.text(60, 150, "x_t", { class: "small" });
  p.arrow([[100, 130], [158, 130]]);
  p.box(220, 130, 120, 70, kind, `h = ${shown(valueOf("h"))}`, fillOf("h"));
  p.curve("M 262 95 C 300 20, 140 20, 178 95", [178, 95], 1.1);
  p.text(220, 32, `h_before = ${shown(valueOf("h_before"))}`, { "data-value": "h_before" });
  p.arrow([[280, 130], [338, 130]]);
  p.text(385, 128, `h_t`);
  p.text(385, 146, "→ y_t", { class: "small" });
  p.text(220, 190, `${layer().name}: ${layer().allUnits} ${say("units") === "unit by unit" ? "units" : "유닛"}`, { class: "small" });
  if (valueOf("c") !== undefined) p.text(220, 212, `c = ${shown(valueOf("c"))}`, { class: "small" });
  return p.svg;
}

function unrolled(width) {
  const most = Math.max(3, Math.min(9, Math.floor(width / 104))), steps = Math.min(DATA.steps, most);
  const first = Math.max(0, Math.min(DATA.steps - steps, chosen.t - Math.floor(steps / 2)));
  const gap = Math.min(120, width / steps), p = new Picture(gap * steps + 20, 250, say("unrolled"));
  const back = layer().backwards;
  for (let k = 0; k < steps; k++) {
    const t = first + k, x = 10 + gap * (k + 0.5);
    p.text(x, 240, cut(token(t), 11), { class: t === chosen.t ? "" : "small" });
    p.arrow([[x, 222], [x, 166]]);
    const h = layer().values.h[t][chosen.unit];
    p.box(x, 135, gap * 0.58, 58, "h", brief(h), fillOf("h", t), { class: t === chosen.t ? "box here" : "box" });
    p.arrow([[x, 106], [x, 60]]);
    p.text(x, 46, outputWord(t), { class: "small" });
    const near = x + gap * 0.29, far = x + gap * 0.71;
    if (t < DATA.steps - 1 && k < steps - 1) p.arrow(back ? [[far, 135], [near, 135]] : [[near, 135], [far, 135]]);
    const hit = p.add("rect", { x: x - gap / 2, y: 30, width: gap, height: 218, fill: "transparent", class: "pick" });
    hit.addEventListener("click", () => choose({ t }));
  }
  p.text(10 + gap * steps * 0.5, 18, `t = ${first} … ${first + steps - 1}${back ? ", " + say("backwards") : ""}`, { class: "small" });
  return p.svg;
}

function outputWord(t) {
  const out = DATA.output;
  if (!out || (!out.overTime && t !== DATA.steps - 1)) return "h_t";
  const row = (out.p ?? out.y)[out.overTime ? t : 0], best = row.indexOf(Math.max(...row));
  return out.p ? `${cut(out.classes[best], 9)} ${Math.round(100 * row[best])}%` : `y = ${short(row[0])}`;
}

// How much each x and each h_before adds to the chosen unit: over its candidate's sum, or its first.
function contributions() {
  const of = layer();
  if (!of.weights) return null;
  const line = of.weights.a_g ?? of.weights.a_n ?? of.weights.x_n ?? of.weights.a ?? Object.values(of.weights)[0];
  const recurrent = (of.weights.h_n ?? line).h_before ?? line.rh;
  return {
    x: line.x[chosen.unit].map((w, k) => w * of.x[chosen.t][k]),
    h: recurrent[chosen.unit].map((w, k) => w * (of.values.h_before[chosen.t][k] ?? 0)),
  };
}

function units(width) {
  const of = layer(), inputs = of.x ? of.x[chosen.t].slice(0, 10) : [], hidden = Math.min(of.units, 12);
  const out = DATA.output, row = out && chosen.layer === DATA.layers.length - 1 ? (out.p ?? out.y)[out.overTime ? chosen.t : 0].slice(0, 8) : [];
  const tallest = Math.max(inputs.length, hidden, row.length, 1), wide = Math.max(520, Math.min(width, 860));
  const p = new Picture(wide, 60 + 44 * tallest, say("units"));
  const y = (k, count) => 54 + 44 * (k + (tallest - count) / 2), middle = wide * 0.52;
  const adds = contributions(), most = adds ? Math.max(...[...adds.x, ...adds.h].map(Math.abs), 1e-9) : 1;
  const columns = [[70, "x_t"], [wide * 0.27, "h_before"], [middle, "h_t"]];
  if (row.length) columns.push([wide - 90, out.p ? "softmax(y_t)" : "y_t"]);
  for (const [x, name] of columns) p.text(x, 22, name, { class: "small" });
  const unitY = y(chosen.unit, hidden);
  const edge = (x1, y1, x2, y2, value) =>
    p.add("line", { x1, y1, x2, y2, stroke: value < 0 ? "#3a76b9" : "#ca483a", "stroke-width": 0.6 + (5 * Math.abs(value)) / most, opacity: 0.85 });
  for (let k = 0; k < hidden; k++)
    for (let j = 0; j < row.length; j++)
      p.add("line", { x1: middle + 20, y1: y(k, hidden), x2: wide - 112, y2: y(j, row.length), stroke: "var(--edge)" });
  if (adds && chosen.unit < hidden) {
    inputs.forEach((_, k) => edge(70, y(k, inputs.length), middle - 20, unitY, adds.x[k]));
    for (let k = 0; k < hidden; k++) edge(wide * 0.27 + 20, y(k, hidden), middle - 20, unitY, adds.h[k]);
  }
  const limit = largest([inputs]);
  const node = (x, k, count, value, fill, name, marked, pick) => {
    const circle = p.add("circle", { cx: x, cy: y(k, count), r: 21, fill, class: marked ? "box here" : "box" });
    p.text(x, y(k, count) + 4, name[0] === "y" && out.p ? value.toFixed(2) : brief(value, 2), { class: "on-colour", "font-size": 10, "data-value": name });
    if (pick) {
      circle.classList.add("pick");
      circle.addEventListener("click", pick);
    }
  };
  inputs.forEach((value, k) => node(70, k, inputs.length, value, colour(value, limit), `x${k}`));
  for (let k = 0; k < hidden; k++) {
    node(wide * 0.27, k, hidden, valueOf("h_before", chosen.t, k), fillOf("h_before", chosen.t, k), `h_before${k}`);
    node(middle, k, hidden, valueOf("h", chosen.t, k), fillOf("h", chosen.t, k), `h${k}`, k === chosen.unit, () => choose({ unit: k }));
  }
  row.forEach((value, j) => {
    node(wide - 90, j, row.length, value, colour(value, out.p ? 1 : largest([row]), Boolean(out.p)), `y${j}`);
    p.text(wide - 64, y(j, row.length) + 4, cut(out.classes[j], 8), { "text-anchor": "start", class: "small" });
  });
  return p.svg;
}

// ---- the cell ------------------------------------------------------------------------------------------------------

function gate(p, x, y, name, how) {
  p.add("rect", { x: x - 36, y: y - 26, width: 72, height: 52, rx: 8, fill: fillOf(name), class: "box" });
  p.text(x, y - 6, `${name} = ${how}`, { class: "on-colour", "font-size": 12 });
  p.text(x, y + 14, brief(valueOf(name)), { class: "on-colour", "data-value": name });
}

function lstmCell() {
  const p = new Picture(680, 330, "LSTM");
  p.arrow([[30, 62], [650, 62]]);
  p.tag(30, 46, "c_before", shown(valueOf("c_before")), "start");
  p.tag(650, 46, "c", shown(valueOf("c")), "end");
  p.arrow([[30, 272], [486, 272]]);
  p.tag(30, 294, "h_before", shown(valueOf("h_before")), "start");
  p.arrow([[250, 318], [250, 273]]);
  p.text(266, 318, `x_t ${cut(token(chosen.t), 14)}`, { "text-anchor": "start" });
  for (const x of [160, 262, 350, 450]) p.arrow([[x, 272], [x, 207]]);
  p.arrow([[160, 155], [160, 76]]);
  p.add("polyline", { points: "262,155 262,116 292,116", class: "line" });
  p.add("polyline", { points: "350,155 350,116 320,116", class: "line" });
  p.arrow([[306, 103], [306, 76]]);
  p.arrow([[560, 62], [560, 132]]);
  p.arrow([[486, 180], [546, 180]]);
  p.arrow([[574, 180], [650, 180]]);
  p.tag(650, 205, "h", shown(valueOf("h")), "end");
  gate(p, 160, 181, "f", valueOf("a_f") === undefined ? "1−i" : "σ");
  gate(p, 262, 181, "i", "σ");
  gate(p, 350, 181, "g", "tanh");
  gate(p, 450, 181, "o", "σ");
  p.sign(160, 62, "×");
  p.sign(306, 116, "×");
  p.sign(306, 62, "+");
  p.sign(560, 180, "×");
  const c = valueOf("c_seen") ?? valueOf("c_new") ?? valueOf("c");
  p.add("rect", { x: 522, y: 104, width: 76, height: 36, rx: 8, fill: "var(--paper)", class: "box" });
  p.text(560, 120, "tanh(c)", { "font-size": 12 });
  p.text(560, 135, brief(Math.tanh(c)), { "font-size": 12 });
  p.arrow([[560, 140], [560, 166]]);
  return p.svg;
}

function gruCell() {
  const p = new Picture(680, 330, "GRU");
  p.arrow([[30, 62], [650, 62]]);
  p.tag(30, 46, "h_before", shown(valueOf("h_before")), "start");
  p.tag(650, 46, "h", shown(valueOf("h")), "end");
  p.add("polyline", { points: "70,62 70,272", class: "line" });
  p.arrow([[70, 272], [290, 272]]);
  p.arrow([[40, 318], [40, 290], [500, 290], [500, 242]]);
  p.text(56, 318, `x_t ${cut(token(chosen.t), 14)}`, { "text-anchor": "start" });
  for (const x of [160, 290]) p.arrow([[x, 272], [x, 207]]);
  gate(p, 160, 181, "r", "σ");
  gate(p, 290, 181, "z", "σ");
  p.arrow([[290, 155], [290, 76]]);
  p.arrow([[326, 181], [390, 181], [390, 122], [486, 122]]);
  p.text(436, 112, `1 − z = ${shown(1 - valueOf("z"))}`, { "font-size": 12 });
  p.arrow([[196, 181], [220, 181], [220, 238], [398, 238]]);
  p.add("polyline", { points: "290,272 412,272", class: "line" });
  p.arrow([[412, 272], [412, 252]]);
  p.arrow([[426, 238], [450, 238], [450, 216], [464, 216]]);
  gate(p, 500, 216, "n", "tanh");
  p.arrow([[500, 190], [500, 136]]);
  p.arrow([[500, 109], [500, 76]]);
  p.sign(290, 62, "×");
  p.sign(500, 62, "+");
  p.sign(500, 122, "×");
  p.sign(412, 238, "×");
  return p.svg;
}

function rnnCell() {
  const p = new Picture(640, 200, "RNN");
  const line = layer().equations.find((e) => e.name === "h" || e.name === "h_new");
  const name = line.text.includes("(") ? line.text.split("(")[0] : "=";
  p.tag(30, 46, "h_before", shown(valueOf("h_before")), "start");
  p.arrow([[90, 58], [90, 84], [226, 100]]);
  p.text(90, 150, `x_t ${cut(token(chosen.t), 12)}`);
  p.arrow([[90, 132], [226, 112]]);
  p.sign(240, 106, "Σ");
  p.arrow([[254, 106], [354, 106]]);
  p.tag(304, 92, "a", shown(valueOf("a")));
  p.add("rect", { x: 356, y: 80, width: 96, height: 52, rx: 8, fill: fillOf("h"), class: "box" });
  p.text(404, 111, name, { class: "on-colour" });
  p.arrow([[452, 106], [600, 106]]);
  p.tag(600, 92, "h", shown(valueOf("h")), "end");
  p.curve("M 540 106 C 540 190, 240 190, 240 122", [240, 121], -Math.PI / 2);
  p.text(400, 192, "t + 1", { class: "small" });
  return p.svg;
}

const CELLS = { LSTM: lstmCell, GRU: gruCell, RNN: rnnCell };

const signed = (value) => (value < 0 ? `(${shown(value)})` : shown(value));

function termsOf(name) {
  const weights = layer().weights?.[name];
  if (!weights) return "";
  const texts = [signed(weights.b[chosen.unit])], others = [];
  for (const part of ["x", "h_before", "rh"]) {
    const values = part === "x" ? layer().x[chosen.t] : layer().values[part]?.[chosen.t];
    (weights[part]?.[chosen.unit] ?? []).forEach((w, k) => others.push([w, values[k] ?? 0]));
  }
  const size = ([w, v]) => Math.abs(w * v), sorted = [...others].sort((a, b) => size(b) - size(a)).slice(0, 6);
  for (const term of others.filter((o) => sorted.includes(o))) texts.push(term.map(signed).join("·"));
  return texts.join(" + ") + (others.length > 6 ? " + …" : "");
}

function equations() {
  const table = html("table");
  for (const line of layer().equations) {
    const value = valueOf(line.name), row = html("tr");
    const text = line.of ? ["b", ...line.of.map((n) => (n === "x" ? "W_x x" : `W_h ${n}`))].join(" + ") : line.text;
    if (!text) continue;
    const put = (name) => (valueOf(name) === undefined ? name : signed(valueOf(name)));
    const numbers = line.of ? termsOf(line.name) : text.replace(/[a-z]\w*/g, put).replace(/\(\(([^()]+)\)\)/g, "($1)");
    row.append(html("td", {}, line.name), html("td", { "data-line": line.name }, `= ${shown(value)}`));
    row.append(html("td", {}, `= ${text}`), html("td", {}, numbers && numbers !== text ? `= ${numbers}` : ""));
    table.append(row);
  }
  return table;
}

// ---- everything ----------------------------------------------------------------------------------------------------

function renderNetwork() {
  const draw = { folded, unrolled, units }[chosen.view];
  at("network-says").textContent = say(`${chosen.view}Says`);
  at("network").replaceChildren(draw(at("network").clientWidth || 700));
  for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === chosen.view);
}

function renderOutput() {
  const out = DATA.output;
  at("output-section").hidden = !out;
  if (!out) return;
  at("output-says").textContent = `${say(out.overTime ? "eachOutput" : "finalOutput")} ${out.p ? say("softmaxSays") : ""}`;
  const row = out.overTime ? chosen.t : 0, values = (out.p ?? out.y)[row], limit = out.p ? 1 : largest([values]);
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 8);
  at("output").replaceChildren(...order.map((k) => {
    const bar = html("div", { class: "bar" }), track = html("div", { class: "track" }), fill = html("div", { class: "fill" });
    fill.style.width = `${(100 * Math.abs(values[k])) / (limit || 1)}%`;
    track.append(fill);
    bar.append(html("span", { title: out.classes[k] }, out.classes[k]), track, html("span", { class: "number", "data-output": k }, shown(values[k])));
    return bar;
  }));
}

function renderMaps() {
  const of = layer(), names = [...of.gates, ...["g", "n", "c", "h"].filter((n) => of.values[n] && !of.gates.includes(n))];
  const where = (t, k, value, name) => `${name}, t = ${t} ${cut(token(t), 20)}, ${say("unit")} ${k}: ${shown(value)}`;
  const map = (name, rows, isGate) => heatMap(rows, {
    isGate, t: chosen.t, unit: chosen.unit, label: name,
    tip: (t, k, value) => where(t, k, value, name), pick: (t, k) => choose({ t, unit: k }),
  });
  const shownMaps = names.map((name) => map(name, of.values[name], of.gates.includes(name)));
  for (const [name, rows] of Object.entries(of.gradients)) shownMaps.push(map(`dL/d${name}`, rows, false));
  at("maps").replaceChildren(...shownMaps);
}

function renderBack() {
  const lines = [];
  DATA.layers.forEach((of, k) => Object.entries(of.norms).forEach(([name, values]) => {
    lines.push({ name: `${of.name} |dL/d${name}|`, values, colour: COLOURS[k % COLOURS.length], dashed: name === "c" });
  }));
  const width = Math.max(420, Math.min(at("flow").clientWidth || 700, 1000));
  const legend = html("p", { class: "says" });
  for (const line of lines) {
    const item = html("span", {}, `${line.dashed ? "╌╌" : "━━"} ${line.name} = ${shown(line.values[chosen.t])}   `);
    item.style.color = "var(--ink)";
    const stroke = html("span", { "aria-hidden": "true" }, "● ");
    stroke.style.color = line.colour;
    legend.append(stroke, item);
  }
  at("back-says").textContent = `${say(DATA.ownLoss ? "ownLoss" : "lastStep")} L = ${shown(DATA.loss)}.`;
  at("flow").replaceChildren(curves(lines, chosen.t, width, say("wayBack"), (t) => choose({ t })), legend);
}

function renderInfluence() {
  at("influence-box").hidden = !DATA.influence;
  if (DATA.influence) at("influence").replaceChildren(heatMap(DATA.influence, {
    t: chosen.t, label: "|dh_t/dx_s|", square: true, range: `0 … ${short(largest(DATA.influence))}`, pick: (t) => choose({ t }),
    tip: (t, s, value) => `t = ${t} ${cut(token(t), 12)}, s = ${s} ${cut(token(s), 12)}: ${shown(value)}`,
  }));
  const attended = Object.entries(DATA.attention);
  at("attention-box").hidden = !attended.length;
  at("attention").replaceChildren(...attended.map(([name, rows]) => heatMap(rows, {
    isGate: true, label: name, tip: (t, s, value) => `t = ${t}, s = ${s}: ${shown(value)}`,
  })));
}

function renderWords() {
  document.documentElement.lang = chosen.language;
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
  at("language").textContent = say("language");
  at("language").lang = chosen.language === "en" ? "ko" : "en";
  at("play").textContent = say(playing ? "stop" : "play");
  const limits = [];
  if (DATA.steps < DATA.allSteps) limits.push(`${DATA.steps} ${say("ofSteps")} ${DATA.allSteps}.`);
  for (const of of DATA.layers) if (of.units < of.allUnits) limits.push(`${of.name}: ${of.units} ${say("ofUnits")} ${of.allUnits}.`);
  at("limits").textContent = limits.join(" ");
}

function renderTime() {
  at("step").value = chosen.t;
  at("step").setAttribute("aria-valuetext", `${chosen.t} ${token(chosen.t)}`);
  at("now").textContent = `t = ${chosen.t} / ${DATA.steps - 1}`;
  [...at("tokens").children].forEach((button, t) => button.setAttribute("aria-pressed", t === chosen.t));
  const here = at("tokens").children[chosen.t];
  if (here) at("tokens").scrollLeft = here.offsetLeft - at("tokens").clientWidth / 2;
  at("layer").value = chosen.layer;
  const options = Array.from({ length: layer().units }, (_, k) => html("option", { value: k }, String(k)));
  at("unit").replaceChildren(...options);
  at("unit").value = chosen.unit;
}

function render() {
  renderWords();
  renderTime();
  renderNetwork();
  const draw = CELLS[layer().kind];
  at("cell").replaceChildren(...(draw ? [draw()] : []));
  at("equations").replaceChildren(equations());
  renderOutput();
  renderMaps();
  renderBack();
  renderInfluence();
}

let playing = null;
function play() {
  if (playing) clearInterval(playing);
  playing = playing ? null : setInterval(() => choose({ t: (chosen.t + 1) % DATA.steps }), 900);
  renderWords();
}

// What the address says after "#": t=3&unit=1&layer=0&view=units&language=ko.
function wished() {
  const wishes = {}, most = { t: DATA.steps, layer: DATA.layers.length, unit: Infinity };
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key in most && Number(value) >= 0 && Number(value) < most[key]) wishes[key] = Math.floor(Number(value));
    if (key === "view" && ["folded", "unrolled", "units"].includes(value)) wishes.view = value;
    if (key === "language" && value in WORDS) wishes.language = value;
  }
  return wishes;
}

function start() {
  at("model").textContent = DATA.model;
  at("step").max = DATA.steps - 1;
  DATA.layers.forEach((of, k) => at("layer").append(html("option", { value: k }, of.name)));
  at("tokens").hidden = !DATA.tokens.length;
  DATA.tokens.forEach((text, t) => {
    const button = html("button", { type: "button" }, cut(text || "␣", 16));
    button.addEventListener("click", () => choose({ t }));
    at("tokens").append(button);
  });
  at("step").addEventListener("input", (event) => choose({ t: Number(event.target.value) }));
  at("layer").addEventListener("change", (event) => choose({ layer: Number(event.target.value) }));
  at("unit").addEventListener("change", (event) => choose({ unit: Number(event.target.value) }));
  at("back").addEventListener("click", () => choose({ t: Math.max(0, chosen.t - 1) }));
  at("on").addEventListener("click", () => choose({ t: Math.min(DATA.steps - 1, chosen.t + 1) }));
  at("play").addEventListener("click", play);
  at("language").addEventListener("click", () => choose({ language: chosen.language === "en" ? "ko" : "en" }));
  for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => choose({ view: button.dataset.view }));
  window.addEventListener("resize", renderNetwork);
  if (/^ko\b/.test(navigator.language)) chosen.language = "ko";
  choose({ t: DATA.steps - 1, ...wished() });
}

start();

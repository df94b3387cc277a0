// What site_check.py runs beside the frames of the pages that it looks at.
const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const colour = (text) => {  // [r, g, b, alpha] of any CSS colour
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = text;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => {
  const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const check = (doc) => {
  const view = doc.defaultView, style = (e) => view.getComputedStyle(e), faults = new Set();
  const paint = (e) => (e instanceof view.SVGElement && !(e instanceof view.SVGSVGElement)
    ? style(e).fill : style(e).backgroundColor);
  const behind = (e) => {  // what is painted below a text, from the nearest to the page
    const layers = [];
    for (let up = e.closest("svg text") ? e.closest("svg") : e; up; up = up.parentElement) {
      layers.push(colour(paint(up)));
    }
    const text = e.closest("svg text");
    if (text) {  // the last box drawn before it, around its middle
      const spot = text.getBoundingClientRect();
      const [x, y] = [spot.x + spot.width / 2, spot.y + spot.height / 2];
      const drawn = [...text.closest("svg").querySelectorAll("rect, path, circle")].filter((s) => {
        const box = s.getBoundingClientRect();
        return s.compareDocumentPosition(text) & 4 && paint(s) !== "none"
          && box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
      });
      if (drawn.length) layers.unshift(colour(paint(drawn.at(-1))));
    }
    const page = style(doc.documentElement).colorScheme.startsWith("dark") ? 18 : 255;
    return layers.reverse().reduce((below, layer) => over(layer, below), [page, page, page]);
  };
  const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && e.getBoundingClientRect().width > 1;
  const named = (e) => e.tagName.toLowerCase() + (e.id && "#" + e.id)
    + [...e.classList].map((c) => "." + c).join("");
  for (const e of doc.body.querySelectorAll("*")) {
    const words = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!words || !seen(e) || e.closest("[disabled], script, style, option")) continue;
    const s = style(e), text = e.closest("svg text") ? s.fill : s.color;
    const ground = behind(e), size = parseFloat(s.fontSize), bold = Number(s.fontWeight) >= 700;
    const drawing = !/[\p{L}\p{N}]/u.test(words);  // marks of a legend, arrows
    const needed = drawing || size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const found = ratio(over(colour(text), ground), ground);
    if (found < needed) {
      faults.add(`contrast ${found.toFixed(2)}, expected ${needed}: ${named(e)} ${words.slice(0, 30)}`);
    }
  }
  const focusable = "a[href], button, input:not([type=hidden]), select, summary, [tabindex], textarea";
  // A label's control may be drawn by its label alone, but not be taken away.
  const reached = (e) => e.closest(focusable) || e.querySelector(focusable)
    || (e.control && style(e.control).display !== "none");
  for (const e of doc.body.querySelectorAll("*")) {
    const outer = e.parentElement && style(e.parentElement).cursor === "pointer";
    if (style(e).cursor === "pointer" && !outer && seen(e) && !reached(e)) {
      faults.add(`no key reaches ${named(e)}`);
    }
  }
  const root = doc.documentElement;
  if (root.scrollWidth > root.clientWidth + 1) {
    const wide = [...doc.body.querySelectorAll("*")].filter((e) =>
      e.getBoundingClientRect().right > root.clientWidth + 1 && seen(e));
    faults.add(`${root.scrollWidth} pixels wide in ${root.clientWidth}: ${wide.slice(0, 3).map(named)}`);
  }
  return [...faults];
};
const frames = [...document.querySelectorAll("iframe")];
addEventListener("load", () => {  // when all frames are there
  const told = frames.map((f) => [f.dataset.page, f.width, check(f.contentDocument)]);
  document.title = JSON.stringify(told);
});

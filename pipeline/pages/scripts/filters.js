// Filters, feature maps and pooling on a drawing of one's own (ch. 6).

var NNDL = NNDL || {};

NNDL.figures.register("filters", function (stage, data) {
  "use strict";
  const { html, choice, load, paint, readout, onTheme, text } = NNDL.figures;
  const { readNetwork, bytesOf, run, argmax } = NNDL.network;
  /** @typedef {{name: string, title: string, path: string}} Listed */
  /** @type {Listed[]} */
  const listed = data.networks;
  if (!listed.length) {
    stage.append(html("p", { class: "empty" }, data.empty));
    return;
  }
  let entry = listed[0], filter = 0, image = new Float64Array(784), row = 12, column = 12;
  const left = html("div", { class: "side" }), right = html("div", { class: "side" });
  stage.append(html("div", { class: "two" }, left, right));
  NNDL.pad.pad(left, data.examples, (next) => { image = Float64Array.from(next); draw(); });
  const controls = html("div", { class: "controls" });
  right.append(controls);
  choice(controls, { label: "Network", name: "network",
    options: listed.map((each) => /** @type {[string, Listed]} */ ([each.title, each])),
    change: (next) => { entry = next; filter = 0; draw(); } });
  const kernels = html("div", { class: "maps", role: "group", "aria-label": "Filters of the first layer" });
  const large = html("div", { class: "large" });
  right.append(html("h4", {}, "Filters of the first layer: choose one"), kernels, large);
  const map = html("canvas", { class: "big", tabindex: 0, role: "application",
    "aria-label": "Feature map. Arrow keys move the place that is read off." });
  const pooled = html("canvas", { class: "big", role: "img", "aria-label": "The same, pooled" });
  const kernel = html("canvas", { class: "kernel", role: "img", "aria-label": "The filter" });
  large.append(html("div", {}, html("span", {}, "filter"), kernel), html("div", {}, html("span", {}, "feature map"), map),
    html("div", {}, html("span", {}, "pooled"), pooled));
  const tell = readout(right, { place: "row and column", weighted: "Σ w a + b there", activation: "activation", pooled: "after pooling", says: "the network says" });
  const rest = html("div", { class: "layers" });
  stage.append(rest);
  /** @param {number} r @param {number} c */
  function go(r, c) { row = r; column = c; draw(); }
  map.addEventListener("pointerdown", (event) => {
    const box = map.getBoundingClientRect();
    go(Math.floor(((event.clientY - box.top) / box.height) * map.height), Math.floor(((event.clientX - box.left) / box.width) * map.width));
  });
  map.addEventListener("keydown", (event) => {
    const way = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!way) return;
    go(row + way[0], column + way[1]);
    event.preventDefault();
  });
  /** @type {Record<string, Network>} */
  const networks = {};
  async function draw() {
    const { name, path } = entry;
    await load(path);
    if (name !== entry.name) return;
    const network = (networks[name] ??= readNetwork(bytesOf(NNDL.weights[name])));
    const layers = run(network, image), first = network.layers[0], [filters, maps, height, width] = first.weight.shape;
    const size = maps * height * width, [, rows, columns] = layers[1].shape;
    const most = Float64Array.from(first.weight.values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const focus = kernels.contains(document.activeElement);
    kernels.replaceChildren(...Array.from({ length: filters }, (_, f) => {
      const canvas = html("canvas", { class: "kernel", "aria-hidden": "true" });
      return html("button", { type: "button", class: "filter", "aria-label": `filter ${f + 1}`, "aria-pressed": String(f === filter),
        onclick: () => { filter = f; draw(); } }, canvas);
    }));
    /** @param {number} f */
    const weights = (f) => Float64Array.from(first.weight.values.subarray(f * size, f * size + height * width));
    [...kernels.querySelectorAll("canvas")].forEach((canvas, f) => paint(canvas, weights(f), width, most));
    if (focus) /** @type {HTMLElement} */ (kernels.children[filter]).focus();
    row = Math.min(rows - 1, Math.max(0, row));
    column = Math.min(columns - 1, Math.max(0, column));
    paint(kernel, weights(filter), width, most);
    const own = layers[1].values.subarray(filter * rows * columns, (filter + 1) * rows * columns);
    const highest = Math.max(...layers[1].values) || 1;
    paint(map, own, columns, highest);
    mark();
    const next = layers[2], [, tall, wide] = next.shape.length === 3 ? next.shape : [0, 0, 0];
    const [r, c] = [Math.floor((row / rows) * tall), Math.floor((column / columns) * wide)];
    if (tall) paint(pooled, next.values.subarray(filter * tall * wide, (filter + 1) * tall * wide), wide, highest);
    let sum = first.bias.values[filter];
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) sum += weights(filter)[i * width + j] * image[(row + i) * 28 + column + j];
    const outputs = layers[layers.length - 1].values, isEmpty = image.every((each) => !each);
    tell({ place: `${row + 1}, ${column + 1}`, weighted: sum, activation: own[row * columns + column],
      pooled: tall ? next.values[(filter * tall + r) * wide + c] : NaN, says: isEmpty ? "–" : `${argmax(outputs)} with ${text(outputs[argmax(outputs)], 3)}` });
    rest.replaceChildren();
    if (isEmpty) return;
    layers.slice(1, -1).forEach((layer, l) => {
      if (layer.shape.length === 3) NNDL.pad.maps(rest, layer, `${layer.shape[0]} ${layer.kind === "conv" ? "feature maps" : "pooled maps"} of ${layer.shape[1]} × ${layer.shape[2]}`, l < 2 ? 20 : 40);
    });
  }
  /** Mark the place that is read off. */
  function mark() {
    const context = map.getContext("2d");
    if (!context) return;
    context.fillStyle = getComputedStyle(map).getPropertyValue("--nndl-2");
    context.fillRect(column, row, 1, 1);
  }
  onTheme(draw);
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((each) => each.isIntersecting)) return;
    observer.disconnect();
    draw();
  }, { rootMargin: "200px" }).observe(stage);
});

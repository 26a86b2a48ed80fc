// A field to draw a digit in, and what trained networks make of it: activations layer by layer, the
// ten outputs, the vote, and the nearest training images (ch. 1 and 6).

var NNDL = NNDL || {};

/** A field to draw in, shared with the chapters' own pages. */
NNDL.pad = (function () {
  "use strict";
  const { html, button, paint, onTheme } = NNDL.figures;
  const UNIT = 100;

  /** @param {HTMLElement} parent
   * @param {string[]} examples images of 28 x 28 bytes, in base64
   * @param {(image: Float64Array) => void} change called with pixels from 0 to 1 */
  function pad(parent, examples, change) {
    /** @type {number[][][]} */
    let strokes = [];
    let pen = [UNIT / 2, UNIT / 2], isDown = false, example = -1;
    const field = html("canvas", { class: "pad", width: 280, height: 280, tabindex: 0, role: "application",
      "aria-label": "Field to draw a digit in. Arrow keys move the pen, space puts it down or lifts it, "
        + "Delete clears the field." });
    const small = html("canvas", { class: "pixels", width: 28, height: 28, role: "img",
      "aria-label": "The drawing as the networks see it, 28 by 28 pixels" });
    const state = html("p", { class: "hint", role: "status" });
    const buttons = html("div", { class: "buttons" });
    parent.append(html("div", { class: "pad-row" }, field,
      html("div", { class: "seen" }, html("span", {}, "as 28 × 28"), small)), buttons, state);
    button(buttons, "Clear", clear);
    if (examples.length) button(buttons, "A test image", () => {
      example = (example + 1) % examples.length;
      strokes = [];
      const bytes = NNDL.network.bytesOf(examples[example]);
      show(Float64Array.from(bytes, (byte) => byte / 256));
    });
    /** @type {Float64Array} */
    let image = new Float64Array(784);

    /** @param {Float64Array} next */
    function show(next) {
      image = next;
      draw();
      change(image);
    }
    function clear() {
      strokes = [];
      state.textContent = "";
      show(new Float64Array(784));
    }
    function draw() {
      const context = field.getContext("2d");
      if (!context) return;
      const isExample = !strokes.length && image.some((each) => each > 0);
      const style = getComputedStyle(field);
      context.fillStyle = style.getPropertyValue("--nndl-paper");
      context.fillRect(0, 0, 280, 280);
      if (isExample) {
        const copy = html("canvas", {});
        field.append(copy);
        paint(copy, image, 28);
        copy.remove();
        context.imageSmoothingEnabled = false;
        context.drawImage(copy, 0, 0, 280, 280);
      }
      context.lineWidth = 18;
      context.lineCap = context.lineJoin = "round";
      context.strokeStyle = style.getPropertyValue("--nndl-ink");
      for (const stroke of strokes) {
        context.beginPath();
        stroke.forEach(([x, y], index) => {
          const place = /** @type {[number, number]} */ ([x * 2.8, y * 2.8]);
          if (index) context.lineTo(...place);
          else { context.moveTo(...place); context.lineTo(...place); }
        });
        context.stroke();
      }
      if (field.matches(":focus-visible")) {
        context.lineWidth = 3;
        context.strokeStyle = style.getPropertyValue("--nndl-1");
        context.beginPath();
        context.arc(pen[0] * 2.8, pen[1] * 2.8, isDown ? 9 : 6, 0, 7);
        context.stroke();
      }
      paint(small, image, 28);
    }
    function redraw() {
      show(NNDL.network.drawStrokes(strokes));
    }
    /** @param {PointerEvent} event */
    function at(event) {
      const box = field.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * UNIT, ((event.clientY - box.top) / box.height) * UNIT];
    }
    field.addEventListener("pointerdown", (event) => {
      field.setPointerCapture(event.pointerId);
      field.focus();
      isDown = false;
      strokes.push([at(event)]);
      redraw();
      event.preventDefault();
    });
    field.addEventListener("pointermove", (event) => {
      if (!field.hasPointerCapture(event.pointerId) || !strokes.length) return;
      strokes[strokes.length - 1].push(at(event));
      redraw();
    });
    field.addEventListener("keydown", (event) => {
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        pen = pen.map((each, axis) => Math.min(92, Math.max(8, each + 4 * way[axis])));
        if (isDown) strokes[strokes.length - 1].push(pen);
      } else if (event.key === " ") {
        isDown = !isDown;
        if (isDown) strokes.push([pen]);
        state.textContent = isDown ? "The pen is down." : "The pen is up.";
      } else if (event.key === "Delete") clear();
      else return;
      if (isDown) redraw();
      else draw();
      event.preventDefault();
    });
    field.addEventListener("focus", draw);
    field.addEventListener("blur", draw);
    onTheme(draw);
    draw();
  }

  /** Maps of a layer as small pictures, or its neurons as one.
   * @param {HTMLElement} parent @param {Activations} layer @param {string} title
   * @param {number} [limit] of maps */
  function maps(parent, { shape, values }, title, limit = 40) {
    const group = html("div", { class: "layer" }, html("h4", {}, title)), row = html("div", { class: "maps" });
    const [number, rows, columns] = shape.length === 3 ? shape : [1, 0, Math.min(shape[0], 50)];
    const size = shape.length === 3 ? rows * columns : values.length;
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    parent.append(group);
    group.append(row);
    for (let i = 0; i < Math.min(number, limit); i++) {
      const canvas = html("canvas", { role: "img", class: shape.length === 3 ? "map" : "neurons",
        "aria-label": shape.length === 3 ? `${title}, map ${i + 1}` : title });
      row.append(canvas);
      paint(canvas, values.subarray(i * size, (i + 1) * size), columns, most);
    }
  }

  return { pad, maps };
})();

NNDL.figures.register("digit", function (stage, data) {
  "use strict";
  const { html, choice, onTheme, load, paint, text } = NNDL.figures;
  const { run, argmax, plurality, readNetwork, bytesOf, halve, nearest } = NNDL.network;
  /** @typedef {{name: string, title: string, path: string, said: string}} Listed */
  /** @type {Listed[]} */
  const listed = data.networks;
  if (!listed.length) {
    stage.append(html("p", { class: "empty" }, data.empty));
    return;
  }
  /** @type {Record<string, Network>} */
  const networks = {};
  /** @type {Float64Array} */
  let image = new Float64Array(784);
  let chosen = 0;
  const left = html("div", { class: "side" }), right = html("div", { class: "side" });
  stage.append(html("div", { class: "two" }, left, right));
  NNDL.pad.pad(left, data.examples, (next) => { image = next; show(); });
  const controls = html("div", { class: "controls" });
  right.append(controls);
  choice(controls, { label: "Network", name: "network", change: (index) => { chosen = index; show(); },
    options: listed.map(({ title }, index) => /** @type {[string, number]} */ ([title, index])) });
  const said = html("p", { class: "said", role: "status" }), bars = html("div", { class: "bars" });
  const votes = html("div", { class: "votes" }), near = html("div", { class: "near" });
  const about = html("p", { class: "hint" });
  right.append(about, said, bars, html("h4", {}, "The vote of all networks here"), votes);
  const layers = html("div", { class: "layers" });
  stage.append(html("h4", {}, "The nearest training images"), near, layers);

  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = html("span", { class: "bar" }), value = html("span", { class: "value" });
    bars.append(html("div", { class: "row", "data-digit": digit }, html("span", {}, String(digit)),
      html("span", { class: "track" }, bar), value));
    return { bar, value };
  });

  /** @param {Listed} entry */
  async function network({ name, path }) {
    await load(path);
    networks[name] ??= readNetwork(bytesOf(NNDL.weights[name]));
    return networks[name];
  }

  let last = 0;
  async function show() {
    const turn = ++last;
    about.textContent = listed[chosen].said;
    const all = await Promise.all(listed.map(network));
    await load(data.images.path);
    if (turn !== last) return;
    const isEmpty = image.every((each) => each === 0);
    const outputs = all.map((each) => run(each, image));
    const own = outputs[chosen], values = own[own.length - 1].values;
    const digits = outputs.map((each) => argmax(each[each.length - 1].values));
    const verdict = isEmpty ? -1 : digits[chosen];
    stage.dataset.digit = isEmpty ? "" : String(digits[chosen]);
    stage.dataset.vote = isEmpty ? "" : String(plurality(digits));
    said.textContent = isEmpty ? "Draw a digit in the field."
      : `It says ${verdict}, with an output of ${text(values[verdict], 3)}. `
        + `The vote of ${digits.length} says ${plurality(digits)}.`;
    rows.forEach(({ bar, value }, digit) => {
      const share = isEmpty ? 0 : values[digit];
      bar.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
      bar.classList.toggle("best", digit === verdict);
      value.textContent = isEmpty ? "" : share.toFixed(3);
      value.dataset.value = isEmpty ? "" : String(values[digit]);
    });
    votes.replaceChildren(...listed.map(({ title }, index) =>
      html("span", { class: "vote" }, html("b", {}, isEmpty ? "–" : String(digits[index])), title)));
    near.replaceChildren();
    layers.replaceChildren();
    if (isEmpty) return;
    const bytes = (images ??= bytesOf(NNDL.weights[data.images.name]));
    for (const place of nearest(halve(image), bytes, 8)) {
      const label = data.images.labels[place], canvas = html("canvas", { role: "img", "aria-label": `a ${label}` });
      near.append(html("span", {}, canvas, String(label)));
      paint(canvas, Float64Array.from(bytes.subarray(place * 196, place * 196 + 196), (b) => b / 256), 14);
    }
    own.forEach((layer, index) => {
      if (index) NNDL.pad.maps(layers, layer, `Layer ${index}: ${describe(layer)}`);
    });
  }
  /** @type {Uint8Array | undefined} */
  let images;

  /** @param {Activations} layer */
  function describe({ kind, shape }) {
    if (kind === "dense") return `${shape[0]} neurons`;
    const what = kind === "conv" ? "feature maps" : kind === "max-pool" ? "maps, pooled" : "maps, averaged";
    return `${shape[0]} ${what} of ${shape[1]} × ${shape[2]}`;
  }
  onTheme(show);
  // The weights are large: they are read when the field comes near.
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    show();
  }, { rootMargin: "200px" }).observe(stage);
});

// A field to draw a digit in, and the maps of a layer: what the interactives with drawings share.

var NNDL = NNDL || {};

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
    let pen = [UNIT / 2, UNIT / 2], isDown = false, byKeys = false, example = -1;
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
      if (byKeys) {
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
      isDown = byKeys = false;
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
      byKeys = true;
      if (isDown) redraw();
      else draw();
      event.preventDefault();
    });
    field.addEventListener("blur", () => { byKeys = false; draw(); });
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

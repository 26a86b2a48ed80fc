// A softmax layer with a slider for each weighted input (ch. 3).

var NNDL = NNDL || {};

NNDL.figures.register("softmax", function (stage, data) {
  "use strict";
  const { html, slider, readout, button, text } = NNDL.figures;
  /** @type {number[]} */
  const first = data.weightedInputs;
  let z = [...first], scale = 1;
  const rows = first.map((value, j) => {
    const row = html("div", { class: "softmax-row" });
    stage.append(row);
    const control = slider(row, { label: `z${"₁₂₃₄₅₆₇₈"[j]}`, name: `z${j + 1}`, min: -5, max: 5, step: 0.1, value,
      change: (next) => { z[j] = next; draw(); } });
    const bar = html("span", { class: "bar best" }), number = html("span", { class: "value", "data-name": `a${j + 1}` });
    row.append(html("span", { class: "track" }, bar), number);
    return { control, bar, number };
  });
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  const scales = slider(controls, { label: "factor c", name: "scale", min: -2, max: 2, step: 0.1, value: 0,
    shown: (value) => text(10 ** value, 2), change: (value) => { scale = 10 ** value; draw(); } });
  button(controls, "As in the document", () => {
    z = [...first];
    scale = 1;
    rows.forEach(({ control }, j) => { control.value = z[j]; });
    scales.value = 0;
    draw();
  });
  const tell = readout(stage, { sum: "sum of the activations" });
  function draw() {
    const activations = NNDL.mathematics.softmax(z, scale);
    rows.forEach(({ bar, number }, j) => {
      bar.style.width = `${100 * activations[j]}%`;
      number.textContent = activations[j].toFixed(3);
      number.dataset.value = String(activations[j]);
    });
    tell({ sum: activations.reduce((a, b) => a + b, 0) });
  }
  draw();
});

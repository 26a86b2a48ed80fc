// One hidden layer of two inputs (ch. 4): steps, bumps along a direction, bumps that cross, a circle.

var NNDL = NNDL || {};

NNDL.figures.register("ridges", function (stage, data) {
  "use strict";
  const { html, slider, choice, readout } = NNDL.figures;
  /** @typedef {{title: string, spec: RidgesSpec, at: number[][], values: (number | null)[]}} Setting */
  /** @type {Setting[]} */
  const settings = data.settings;
  let setting = settings[0], spec = structuredClone(setting.spec), isOwn = false, place = [0.5, 0.5];
  const top = html("div", { class: "controls" }), controls = html("div", { class: "controls" });
  stage.append(top);
  choice(top, { label: "Network", name: "setting",
    options: settings.map((each) => /** @type {[string, Setting]} */ ([each.title, each])),
    change: (next) => { setting = next; spec = structuredClone(next.spec); isOwn = false; build(); } });
  const surface = NNDL.surface.surface(stage, "The output over both inputs, as a surface");
  stage.append(controls);
  const where = html("div", { class: "controls" });
  stage.append(where);
  const places = [0, 1].map((axis) => slider(where, { label: `read off at x${"₁₂"[axis]}`, name: `at${axis + 1}`, min: 0, max: 1,
    step: 0.01, value: place[axis], change: (value) => { place[axis] = value; draw(); } }));
  const tell = readout(stage, { value: "output there", neurons: "hidden neurons", measured: "output that the pipeline measured there" });

  function build() {
    controls.replaceChildren();
    /** @param {string} label @param {string} name @param {number[]} limits @param {number} value
     * @param {(value: number) => void} set */
    const add = (label, name, [min, max, step], value, set) =>
      slider(controls, { label, name, min, max, step, value, change: (next) => { set(next); isOwn = true; draw(); } });
    spec.steps.forEach((step, i) => {
      step.weights.forEach((weight, axis) =>
        add(`weight w${"₁₂"[axis]}`, `w${axis + 1}`, [-100, 1000, 1], weight, (value) => { step.weights[axis] = value; }));
      add("bias b", `b${i + 1}`, [-1000, 100, 1], step.bias, (value) => { step.bias = value; });
    });
    spec.bumps.forEach((bump, i) => {
      const name = spec.bumps.length > 1 ? `bump ${i + 1}, ` : "";
      add(`${name}from`, `from${i + 1}`, [0, 1, 0.01], bump.from, (value) => { bump.from = value; });
      add(`${name}to`, `to${i + 1}`, [0, 1, 0.01], bump.to, (value) => { bump.to = value; });
      add(`${name}height`, `height${i + 1}`, [-1, 1, 0.1], bump.height, (value) => { bump.height = value; });
      const angle = (Math.atan2(bump.direction[1], bump.direction[0]) * 180) / Math.PI;
      add(`${name}direction, °`, `angle${i + 1}`, [0, 180, 5], angle, (value) => {
        bump.direction = [Math.cos((value * Math.PI) / 180), Math.sin((value * Math.PI) / 180)];
      });
    });
    const circle = spec.circle;
    if (circle) {
      add("ridges", "directions", [1, 60, 1], circle.directions, (value) => { circle.directions = value; });
      add("radius", "radius", [0.05, 0.4, 0.01], circle.radius, (value) => { circle.radius = value; });
    }
    place = [...(setting.at[0] || [0.5, 0.5])];
    places.forEach((control, axis) => { control.value = place[axis]; });
    draw();
  }
  function draw() {
    const fn = NNDL.mathematics.ridges(spec);
    const heights = [...spec.steps, ...spec.bumps].reduce((sum, each) => sum + Math.abs(each.height), 0);
    const least = [...spec.bumps].some((each) => each.height < 0) ? -heights : 0;
    surface(fn, spec.output === "sigmoid" || spec.circle || spec.steps.length ? [0, 1] : [least, Math.max(heights, 0.1)]);
    const found = setting.at.findIndex((point) => point[0] === place[0] && point[1] === place[1]);
    tell({ value: fn(place[0], place[1]), neurons: NNDL.mathematics.ridgePlanes(spec).length,
      measured: isOwn || found < 0 ? "– (own settings)" : setting.values[found] ?? "–" });
  }
  build();
});

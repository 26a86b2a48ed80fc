// One hidden layer of two inputs (ch. 4): steps, bumps along a direction, bumps that cross, a circle.

var NNDL = NNDL || {};

NNDL.figures.register("ridges", function (stage, data) {
  "use strict";
  /** @param {RidgesSpec} spec @param {HTMLElement} controls @param {() => void} changed */
  function build(spec, controls, changed) {
    /** @param {string} label @param {string} name @param {number[]} limits @param {number} value
     * @param {(value: number) => void} set */
    const add = (label, name, [min, max, step], value, set) => NNDL.figures.slider(controls,
      { label, name, min, max, step, value, change: (next) => { set(next); changed(); } });
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
  }
  NNDL.surface.explore(stage, data.settings, build, (/** @type {RidgesSpec} */ spec) => {
    const heights = [...spec.steps, ...spec.bumps].reduce((sum, each) => sum + Math.abs(each.height), 0);
    const least = spec.bumps.some((each) => each.height < 0) ? -heights : 0;
    const isShare = spec.output === "sigmoid" || spec.circle || spec.steps.length;
    return { fn: NNDL.mathematics.ridges(spec), neurons: NNDL.mathematics.ridgePlanes(spec).length,
      range: isShare ? [0, 1] : [least, Math.max(heights, 0.1)] };
  });
});

// How wide the interval is in which a neuron does not weaken the gradient (ch. 5, a problem).

var NNDL = NNDL || {};

NNDL.figures.register("width", function (stage, data) {
  "use strict";
  const { html, slider, readout, Plot, legend } = NNDL.figures;
  const { steepWidth, SLOPES, spread } = NNDL.mathematics;
  let weight = data.weight, bias = 0;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  const weights = slider(controls, { label: "weight |w|", name: "weight", min: 0.5, max: 30, step: "any", value: weight,
    change: (value) => { weight = value; draw(); } });
  slider(controls, { label: "middle of the interval", name: "middle", min: 0, max: 1, step: 0.01, value: 0.5,
    change: (value) => { bias = value - 0.5; draw(); } });
  const slopes = new Plot(stage, { label: "Factor of the gradient by the input of the neuron", x: [0, 1], y: [0, 3],
    xLabel: "input a", yLabel: "|w σ′(w a + b)|", height: 240 });
  const factor = slopes.curve("first"), one = slopes.curve("wanted"), interval = slopes.curve("second");
  const widths = new Plot(stage, { label: "Width of the interval by weight", x: [0, 30], y: [0, 0.5],
    xLabel: "weight |w|", yLabel: "width", height: 240 });
  const curve = widths.curve("second");
  const dot = widths.handle({ label: "weight", kind: "second", step: { x: 0.1, y: 0 }, get: () => ({ x: weight, y: steepWidth(weight) }),
    move: ({ x }) => { weights.value = weight = Math.min(30, Math.max(0.5, x)); draw(); } });
  legend(stage, [["first", "the factor"], ["second", "where it is 1 or more"], ["wanted", "1"]]);
  const tell = readout(stage, { weight: "weight", width: "width", measured: "width that the pipeline measured", largest: "largest width of all" });
  function draw() {
    const b = -weight * (0.5 + bias), width = steepWidth(weight), middle = 0.5 + bias;
    slopes.y = [0, Math.max(1.5, weight / 4)];
    slopes.redraw();
    factor(spread(401).map((a) => [a, weight * SLOPES.sigmoid(weight * a + b)]));
    one([[0, 1], [1, 1]]);
    interval(width ? [[middle - width / 2, 1], [middle + width / 2, 1]] : []);
    curve(spread(401, 0, 30).map((w) => [w, steepWidth(w)]));
    dot();
    const known = data.measured.find((/** @type {{weight: number}} */ each) => Math.abs(each.weight - weight) < 1e-9);
    tell({ weight, width, measured: known?.width ?? "– (other weights)", largest: data.largest ?? NaN });
  }
  draw();
});

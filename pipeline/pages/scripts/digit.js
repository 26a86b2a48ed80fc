// What trained networks make of a drawing: activations layer by layer, the ten outputs, the vote, and
// the nearest training images (ch. 1 and 6).

var NNDL = NNDL || {};

NNDL.figures.register("digit", function (stage, data) {
  "use strict";
  const { html, choice, onTheme, load, paint } = NNDL.figures;
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
      : `It says ${verdict}, with an output of ${values[verdict].toFixed(3)}. `
        + `The vote of ${digits.length} says ${plurality(digits)}.`;
    rows.forEach(({ bar, value }, digit) => {
      const share = isEmpty ? 0 : values[digit] ?? 0;
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
    const what = kind === "conv" ? "feature maps" : kind === "max-pool" ? "pooled maps" : "averaged maps";
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

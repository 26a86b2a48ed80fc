// The errors of the vote of networks, the book's beside ours (ch. 6); what networks here say of each.

var NNDL = NNDL || {};

NNDL.figures.register("vote", function (stage, data) {
  "use strict";
  const { html, choice, paint, load, onTheme, readout } = NNDL.figures;
  const { readNetwork, bytesOf, run, argmax } = NNDL.network;
  /** @typedef {{image: number, label: number, book: number | null, ours: number | null, pixels: string}} Wrong */
  /** @type {Wrong[]} */
  const errors = data.errors;
  if (!errors.length) {
    stage.append(html("p", { class: "empty" }, data.empty));
    return;
  }
  /** @type {[string, (error: Wrong) => boolean][]} */
  const groups = [
    ["wrong in the book", ({ book }) => book !== null], ["wrong with ours", ({ ours }) => ours !== null],
    ["wrong with both", ({ book, ours }) => book !== null && ours !== null],
    ["wrong with one alone", ({ book, ours }) => (book === null) !== (ours === null)],
  ];
  let isShown = groups[0][1];
  /** @type {Wrong | null} */
  let chosen = null;
  const controls = html("div", { class: "controls" });
  stage.append(controls);
  choice(controls, { label: "Images", name: "group", options: groups, change: (next) => { isShown = next; chosen = null; draw(); } });
  const grid = html("div", { class: "errors" }), votes = html("div", { class: "votes", role: "status" });
  stage.append(html("p", { class: "hint" }, `Of the 10,000 test images: ${data.said}`), grid);
  const tell = readout(stage, { count: "images here", label: "is a", book: "the book's vote said", ours: "our vote said" });
  stage.append(votes);
  function draw() {
    const shown = errors.filter(isShown);
    grid.replaceChildren(...shown.map((error) => html("button", { type: "button", class: "error-image", "aria-pressed": String(error === chosen),
      "data-image": error.image, "aria-label": `test image ${error.image}: a ${error.label}; the book said ${error.book ?? error.label}, ours ${error.ours ?? error.label}`,
      onclick: () => { chosen = error; draw(); ask(error); } },
      html("canvas", { "aria-hidden": "true" }), html("span", {}, `${error.label} → ${error.book ?? error.ours}`))));
    [...grid.querySelectorAll("canvas")].forEach((canvas, i) =>
      paint(canvas, Float64Array.from(bytesOf(shown[i].pixels), (byte) => byte / 256), 28));
    if (chosen) /** @type {HTMLElement} */ (grid.children[shown.indexOf(chosen)])?.focus();
    else votes.replaceChildren();
    tell({ count: shown.length, label: chosen?.label ?? "–", book: chosen ? (chosen.book ?? "rightly " + chosen.label) : "–",
      ours: chosen ? (chosen.ours ?? "rightly " + chosen.label) : "–" });
  }
  /** @param {Wrong} error */
  async function ask(error) {
    const pixels = Float64Array.from(bytesOf(error.pixels), (byte) => byte / 256), said = [];
    for (const { name, title, path } of data.networks) {
      await load(path);
      const outputs = run(readNetwork(bytesOf(NNDL.weights[name])), pixels);
      said.push(html("span", { class: "vote" }, html("b", {}, String(argmax(outputs[outputs.length - 1].values))), title));
    }
    if (chosen === error) votes.replaceChildren("The networks of this page say ", ...said);
  }
  onTheme(draw);
  draw();
});

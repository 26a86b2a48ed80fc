// Charts that are drawn when they come into sight, and the table of all claims.
(() => {
  "use strict";
  const NNDL = (window.NNDL = window.NNDL || {});
  NNDL.charts = {};

  // A page from a file may not fetch, but it may load scripts.
  const loading = new Map();
  NNDL.load = (address) => {
    if (!loading.has(address)) {
      loading.set(
        address,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = address;
          script.onload = resolve;
          script.onerror = () => reject(new Error(`${address} is not there`));
          document.head.append(script);
        }),
      );
    }
    return loading.get(address);
  };

  function button(text, isPressed, onToggle) {
    const made = document.createElement("button");
    made.type = "button";
    made.setAttribute("aria-pressed", String(isPressed));
    made.append(...[text].flat());
    made.addEventListener("click", () => {
      const next = made.getAttribute("aria-pressed") !== "true";
      made.setAttribute("aria-pressed", String(next));
      onToggle(next);
    });
    return made;
  }

  // The scale of an axis, the same in all layers, is linear or logarithmic.
  function setScale(specification, channel, isLog) {
    for (const layer of specification.layer) {
      const axis = layer.encoding[channel];
      if (!axis || !axis.scale) continue;
      const { domain, zero, ...scale } = axis.scale;
      axis.scale = isLog ? { ...scale, type: "log" } : { ...scale, type: "linear", zero: false };
      Object.assign(axis.axis, specification.usermeta[isLog ? "log" : "linear"]);
    }
  }

  async function showChart(figure) {
    const name = figure.dataset.chart;
    await Promise.all([NNDL.load("vega.js"), NNDL.load(`charts/${name}.js`)]);
    const original = NNDL.charts[name];
    const drawing = figure.querySelector(".drawing");
    const names = [...figure.querySelectorAll(".legend li")].map((item) => item.dataset.series);
    const hidden = new Set();
    const scaleOf = (channel) =>
      original.layer.map((layer) => layer.encoding[channel]?.scale?.type).find(Boolean);
    const isLog = { x: scaleOf("x") === "log", y: scaleOf("y") === "log" };
    const wasLog = { ...isLog };
    let showsRuns = true;
    let view = null;

    const shown = () => names.filter((each) => !hidden.has(each));
    async function draw() {
      const specification = structuredClone(original);
      for (const channel of ["x", "y"]) {
        if (isLog[channel] !== wasLog[channel]) setScale(specification, channel, isLog[channel]);
      }
      for (const each of specification.params) {
        if (each.name === "shown") each.value = shown();
        if (each.name === "runs") each.value = showsRuns;
      }
      const place = document.createElement("div");
      place.className = "vega";
      place.style.width = "100%";
      const before = view;
      drawing.replaceChildren(place);
      const made = await NNDL.vegaEmbed(place, specification, {
        actions: false,
        renderer: "svg",
        logLevel: 1, // Of errors alone: a chart may be put off altogether.
        tooltip: { theme: "custom" },
      });
      view = made.view;
      if (before) before.finalize();
    }
    await draw();

    figure.querySelectorAll(".legend li").forEach((item) => {
      const series = item.dataset.series;
      const toggle = button([...item.childNodes], true, (isOn) => {
        if (isOn) hidden.delete(series);
        else hidden.add(series);
        view.signal("shown", shown()).runAsync();
      });
      item.replaceChildren(toggle);
    });
    const controls = figure.querySelector(".controls");
    if (controls.dataset.runs === "1") {
      controls.append(
        button("single runs", true, (isOn) => {
          showsRuns = isOn;
          view.signal("runs", isOn).runAsync();
        }),
      );
    }
    for (const channel of ["x", "y"]) {
      const label = channel === "x" ? "log x-axis" : "log y-axis";
      controls.append(
        button(label, isLog[channel], (isOn) => {
          isLog[channel] = isOn;
          draw();
        }),
      );
    }
  }

  function watchCharts() {
    const figures = document.querySelectorAll("[data-chart]");
    const watcher = new IntersectionObserver(
      (entries) => {
        for (const entry of entries.filter((each) => each.isIntersecting)) {
          watcher.unobserve(entry.target);
          showChart(entry.target);
        }
      },
      { rootMargin: "300px" },
    );
    figures.forEach((figure) => watcher.observe(figure));
  }

  function showTable(table, form) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({
      row,
      text: row.textContent.toLowerCase(),
      cells: [...row.cells].map((cell) => cell.textContent.trim()),
    }));
    const fields = ["chapter", "kind", "verdict"];
    function filter() {
      const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const { row, text } of rows) {
        const fits =
          fields.every((name) => !form[name].value || row.dataset[name] === form[name].value) &&
          words.every((word) => text.includes(word));
        row.hidden = !fits;
        count += fits;
      }
      form.querySelector("output").value = `${count.toLocaleString("en")} claims`;
    }
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;

    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!head.dataset.sort) return;
      head.setAttribute("aria-sort", "none");
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(head.textContent);
      head.replaceChildren(sorter);
      sorter.addEventListener("click", () => {
        const isUp = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
        const compare =
          head.dataset.sort === "number"
            ? (a, b) => Number(a.cells[column] || -1) - Number(b.cells[column] || -1)
            : (a, b) => a.cells[column].localeCompare(b.cells[column], "en");
        const ordered = [...rows].sort((a, b) => (isUp ? compare(a, b) : compare(b, a)));
        body.append(...ordered.map((each) => each.row));
      });
    });
    filter();
  }

  document.addEventListener("DOMContentLoaded", () => {
    watchCharts();
    const table = document.getElementById("claims");
    if (table) showTable(table, document.getElementById("filter"));
  });
})();

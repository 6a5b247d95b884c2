"use strict";
const byId = (id) => document.getElementById(id);
const made = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Theme: the reader's own until the button is pressed.
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { byId("theme").textContent = isDark() ? "Light theme" : "Dark theme"; };
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
system.addEventListener("change", nameTheme);
nameTheme();
byId("theme").hidden = false;

// Commands: a button beside each copies it.
for (const place of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) break;
  const button = made("button", { type: "button", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy: ${place.textContent}`);
  const command = place.textContent;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(command).then(() => { button.textContent = "Copied"; });
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  place.append(button);
}

// Tables: a click on a column's head sorts, missing values last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const title = head.querySelector(".head");
    const button = made("button", { type: "button" }, ...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[column];
        const text = cell.textContent.trim();
        return { text, size: cell.dataset.size === undefined || cell.dataset.size === "" ? null : Number(cell.dataset.size) };
      };
      const isNumeric = [...body.rows].some((row) => key(row).size !== null);
      const missing = (one) => Number(isNumeric ? one.size === null : one.text === "\u2013");
      const rows = [...body.rows].sort((a, b) => {
        const [one, other] = [key(a), key(b)];
        const order = isNumeric ? one.size - other.size : one.text.localeCompare(other.text);
        return missing(one) - missing(other) || (missing(one) ? 0 : turn * order);
      });
      body.append(...rows);
    });
  });
}
for (const box of document.querySelectorAll("[data-toggles]")) {
  box.addEventListener("change", () => {
    const controls = box.closest(".controls");
    for (const place of [controls, controls.nextElementSibling])
      for (const each of place.querySelectorAll(`[data-group="${box.dataset.toggles}"]`)) each.classList.toggle("off", !box.checked);
  });
}

// What is folded opens for a link that leads into it, and for paper.
const openAround = () => {
  const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.localName === "details") at.open = true;
};
addEventListener("hashchange", openAround);
openAround();
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });

// Predictions: two models beside each other on the same images.
if (byId("viewer")) {
  const data = JSON.parse(byId("predictions-data").textContent);
  const colours = { found: [86, 180, 233], false: [213, 94, 0], missed: [240, 228, 66], confused: [204, 121, 167] };
  const step = data.step;
  const decoded = new Map();
  const pixels = (source) => {
    if (!decoded.has(source)) {
      const image = new Image();
      decoded.set(source, new Promise((resolve) => {
        image.onload = () => {
          const canvas = made("canvas", { width: image.naturalWidth, height: image.naturalHeight });
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context.drawImage(image, 0, 0);
          const read = context.getImageData(0, 0, canvas.width, canvas.height);
          const ids = new Uint8Array(read.width * read.height);
          for (let at = 0; at < ids.length; at++) ids[at] = Math.round(read.data[4 * at] / step);
          resolve({ ids, width: read.width, height: read.height });
        };
        image.src = source;
      }));
    }
    return decoded.get(source);
  };
  const chosenClass = () => Number(byId("class").value || 0);
  const outcome = (truth, said, of) => {
    if (of) return truth === of ? (said === of ? "found" : "missed") : (said === of ? "false" : null);
    if (truth && said) return truth === said ? "found" : "confused";
    return truth ? "missed" : (said ? "false" : null);
  };
  const paint = (canvas, image, model, of) => Promise.all([pixels(image.truth), pixels(model.masks[image.at])]).then(([truth, said]) => {
    canvas.width = truth.width;
    canvas.height = truth.height;
    const context = canvas.getContext("2d");
    const painted = context.createImageData(truth.width, truth.height);
    for (let at = 0; at < truth.ids.length; at++) {
      const colour = colours[outcome(truth.ids[at], said.ids[at], of)];
      if (colour) painted.data.set([...colour, 255], 4 * at);
    }
    context.putImageData(painted, 0, 0);
  });
  const score = (model, at, of) => (of ? model.by_class[at][of - 1] : model.iou[at]);
  const shown = (value) => (value === null ? "\u2013" : value.toFixed(2));
  const view = (image, model, of) => {
    const canvas = made("canvas", {});
    const picture = made("img", { src: image.image, alt: "" });
    const button = made("button", { type: "button", className: "view" }, picture, canvas);
    button.setAttribute("aria-label", `${image.name}, ${model.label}: IoU ${shown(score(model, image.at, of))}`);
    const enlarge = () => {
      byId("large-place").replaceChildren(view(image, model, of));
      if (!byId("large").open) byId("large").showModal();
    };
    const isLarge = () => button.closest("dialog") !== null;
    // With a mouse or keys a click enlarges; a finger hides the colours with one tap and enlarges with two.
    button.addEventListener("click", (event) => {
      if (!isLarge() && (event.detail === 0 || matchMedia("(hover: hover)").matches)) enlarge();
      else button.classList.toggle("bare");
    });
    button.addEventListener("dblclick", () => { if (!isLarge()) enlarge(); });
    paint(canvas, image, model, of);
    return button;
  };
  for (const side of ["left", "right"])
    byId(side).append(...data.models.map((model, at) => made("option", { value: at, textContent: model.label })));
  byId("right").selectedIndex = Math.min(1, data.models.length - 1);
  if (data.classes.length > 1) {
    byId("class").append(made("option", { value: 0, textContent: "all" }), ...data.classes.map((name, at) => made("option", { value: at + 1, textContent: name })));
    for (const id of ["class-choice", "confused", "confused-word"]) byId(id).hidden = false;
  }
  data.images.forEach((image, at) => { image.at = at; });
  let all = false;
  const draw = () => {
    const [a, b] = ["left", "right"].map((side) => data.models[byId(side).value]);
    const of = chosenClass();
    const most = Number(byId("most").value);
    byId("most-shown").value = most.toFixed(2);
    const lowest = (image) => Math.min(...[a, b].map((model) => score(model, image.at, of)).map((value) => (value === null ? 2 : value)));
    const keys = {
      differ: (image) => -Math.abs((score(a, image.at, of) || 0) - (score(b, image.at, of) || 0)),
      worst: lowest,
      small: (image) => (image.smallest === null ? 2 : image.smallest),
      name: (image) => image.at,
    };
    const key = keys[byId("order").value];
    const both = data.images.filter((image) => a.masks[image.at] && b.masks[image.at]);
    const found = both.filter((image) => most === 1 || lowest(image) <= most).sort((x, y) => key(x) - key(y) || x.at - y.at);
    const visible = all ? found : found.slice(0, Number(byId("viewer").dataset.shown));
    byId("more").hidden = visible.length === found.length;
    byId("more").textContent = `Show all ${found.length} images`;
    byId("gallery").replaceChildren(...visible.map((image) => {
      const scores = made("span", {}, "IoU ", made("b", { textContent: shown(score(a, image.at, of)) }), " | ", made("b", { textContent: shown(score(b, image.at, of)) }));
      const name = made("span", { textContent: `${image.name} · ${image.share} foreground` });
      return made("div", { className: "sight" }, made("div", { className: "two" }, view(image, a, of), view(image, b, of)), made("div", { className: "caption" }, name, scores));
    }));
    if (!found.length) byId("gallery").append(made("p", { textContent: both.length ? "No image has so low an IoU." : "No image was scored by both models." }));
  };
  for (const id of ["left", "right", "order", "class", "most"]) byId(id).addEventListener("input", draw);
  byId("more").addEventListener("click", () => { all = true; draw(); });
  draw();
}

// The views of the page. Everything from the data goes to the screen as text, never as markup.

const index = JSON.parse(document.getElementById("index").textContent);
const files = index.files;
const number = new Map(files.map((file, i) => [file.path, i]));
const main = document.getElementById("main");
const summary = document.getElementById("summary").textContent;
const PAGE = 200;
const WORDS = { translated: "translated", partial: "partly translated", unchanged: "nothing to do", error: "failed" };
const state = { search: "", deep: false, status: "", code: "", sort: "", down: true };
let turn = 0; // raised with each view, so that slow work of an earlier one stops

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const link = (path, line) => "#" + encodeURIComponent(path) + (line ? "-L" + line : "");
const texts = (i) => JSON.parse(document.getElementById("text-" + i).textContent);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const errors = (file) => file.diagnostics.filter((finding) => finding.severity === "error").length;

/** [share done, of how many] of a file; files that failed have none. */
function coverage(done, all) {
  if (!all) return el("span", { class: "percent" }, "–");
  const share = Math.max(0, Math.min(1, done / all)), percent = share === 1 ? 100 : Math.min(99, Math.round(100 * share));
  const bar = el("i", {});
  bar.style.width = percent + "%";
  return el("span", {}, el("span", { class: percent === 100 ? "bar" : "bar low" }, bar),
    el("span", { class: "percent" }, `${percent} % of ${all}`));
}

// -- the data by API and by code -----------------------------------------------------------------------

const apis = new Map(), codes = new Map();
files.forEach((file, i) => {
  for (const use of file.apis) {
    const api = apis.get(use.name) || { name: use.name, calls: 0, refused: 0, uses: [] };
    api.calls += use.calls; api.refused += use.refused; api.uses.push([i, use]);
    apis.set(use.name, api);
  }
  for (const finding of file.diagnostics) {
    const code = codes.get(finding.code) || { code: finding.code, places: [], severity: finding.severity };
    code.places.push([i, finding]);
    codes.set(finding.code, code);
  }
  file.words = [file.path, ...file.apis.map((use) => use.name),
    ...file.diagnostics.map((finding) => `${finding.code} ${finding.message} ${finding.hint}`)].join("\n").toLowerCase();
});

// -- parts of the views --------------------------------------------------------------------------------

function place(i, finding) {
  const hint = finding.hint ? el("span", { class: "hint" }, ` (${finding.hint})`) : null;
  const at = finding.cell ? `cell ${finding.cell}:${finding.line}` : finding.line;
  return el("li", {}, el("a", { class: "path", href: link(files[i].path, finding.at || finding.line) },
    `${files[i].path}:${at}`), " ", el("span", { class: "code " + finding.severity }, finding.code), " ",
    finding.message, hint);
}

/** A list that grows as it is scrolled: a page of items at a time. */
function growing(parent, items, make) {
  let shown = 0;
  const more = () => { items.slice(shown, shown + PAGE).forEach((item) => parent.append(...[make(item)].flat())); shown += PAGE; };
  more();
  if (items.length <= PAGE) return;
  const end = el("div", { class: "count" }, "…");
  (parent.closest("table") || parent).after(end);
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    more();
    watch.unobserve(end);
    if (shown < items.length) watch.observe(end); else end.remove();
  }, { rootMargin: "600px" });
  watch.observe(end);
}

/** A table row that opens to show more; what it shows is made when it opens. */
function foldable(cells, label, inside) {
  const row = el("tr", {});
  const button = el("button", { type: "button", "aria-expanded": "false", "aria-label": label, onclick: () => {
    const open = row.classList.toggle("open");
    button.textContent = open ? "▾" : "▸";
    button.setAttribute("aria-expanded", String(open));
    if (!open) { row.nextSibling.remove(); return; }
    const cell = el("td", { colspan: cells.length + 1 });
    row.after(el("tr", {}, cell));
    inside(cell);
  } }, "▸");
  row.append(el("td", { class: "fold" }, button), ...cells);
  return row;
}

function table(heads, items, make, empty) {
  const sorted = heads.find((head) => head.key === state.sort);
  if (sorted) {
    items = [...items].sort((a, b) => {
      const x = sorted.by(a), y = sorted.by(b);
      return (x < y ? -1 : x > y ? 1 : 0) * (state.down ? -1 : 1);
    });
  }
  if (!items.length) return el("p", { class: "empty" }, empty);
  const order = (head) => head.key !== state.sort ? null : state.down ? "descending" : "ascending";
  const body = el("tbody", {});
  const whole = el("table", {}, el("thead", {}, el("tr", {}, el("th", {}), ...heads.map((head) =>
    el("th", { class: head.number ? "number" : null, "aria-sort": order(head) }, el("button", { type: "button", onclick: () => {
      state.down = state.sort === head.key ? !state.down : Boolean(head.number);
      state.sort = head.key;
      list();
    } }, head.title))))), body);
  const holder = el("div", {}, whole);
  growing(body, items, make);
  return holder;
}

// -- the overview --------------------------------------------------------------------------------------

const VIEWS = { files: ["Files", fileTable], apis: ["APIs", apiTable], findings: ["Findings", codeTable] };
let view = "files", results = null;

function overview(name) {
  if (view !== name) state.sort = "";
  view = name;
  document.title = `xlate ${index.direction}`;
  const seen = sum(files.map((file) => file.counts ? file.counts.seen : 0));
  const done = sum(files.map((file) => file.counts ? file.counts.translated : 0));
  const card = (value, text) => el("div", { class: "card" }, el("b", {}, value), el("span", {}, text));
  results = el("div", { id: "results" });
  main.replaceChildren(el("p", { id: "summary" }, summary),
    el("div", { class: "cards" }, card(String(files.length), "files"), card(String(index.summary.translated), "translated whole"),
      card(String(index.summary.partial), "translated in part"), card(String(index.summary.error), "failed"),
      card(seen ? (100 * done / seen).toFixed(1) + " %" : "–", `of ${seen} API uses translated`),
      card(String(sum(files.map(errors))), "refusals and failures")),
    el("nav", {}, ...Object.entries(VIEWS).map(([key, [title]]) =>
      el("a", { href: "#:" + key, "aria-current": key === view ? "page" : null }, title))),
    tools(), results);
  list();
}

function tools() {
  let wait = 0;
  const search = el("input", { type: "search", id: "search", placeholder: "Search paths, APIs and messages ( / )", "aria-label": "Search",
    oninput: () => { clearTimeout(wait); wait = setTimeout(() => { state.search = search.value; list(); }, 120); } });
  search.value = state.search;
  if (view !== "files") return el("div", { class: "tools" }, search, el("span", { class: "count", id: "count" }));
  const deep = el("input", { type: "checkbox", id: "deep", onchange: () => { state.deep = deep.checked; list(); } });
  deep.checked = state.deep;
  const chips = ["", "translated", "partial", "unchanged", "error"].map((status) => el("button", {
    type: "button", class: "chip", "data-status": status, "aria-pressed": String(state.status === status), onclick: (event) => {
      state.status = status;
      for (const chip of main.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(chip === event.target));
      list();
    } }, status ? `${WORDS[status]} ${index.summary[status]}` : "all"));
  const code = el("select", { id: "code", "aria-label": "Code", onchange: () => { state.code = code.value; list(); } },
    el("option", { value: "" }, "any code"), ...[...codes.keys()].sort().map((name) => el("option", { value: name },
      `${name} ${index.codes[name][0]}`)));
  code.value = state.code;
  return el("div", { class: "tools" }, search, el("label", {}, deep, " in sources too"), ...chips, code,
    el("span", { class: "count", id: "count" }));
}

function list() {
  turn++;
  VIEWS[view][1]();
}

function show(node, count, noun) {
  document.getElementById("count").textContent = `${count} ${noun}${count === 1 ? "" : "s"}`;
  results.replaceChildren(node);
}

function fileTable() {
  const wanted = state.search.trim().toLowerCase(), mine = turn;
  const fits = (file) => (!state.status || file.status === state.status)
    && (!state.code || file.diagnostics.some((finding) => finding.code === state.code));
  const candidates = files.filter(fits);
  if (!wanted || !state.deep) {
    showFiles(candidates.filter((file) => file.words.includes(wanted)));
    return;
  }
  const found = [];
  document.getElementById("count").textContent = "searching …";
  const step = (from) => { // the sources are searched a few at a time, so that the page stays alive
    if (mine !== turn) return;
    for (const file of candidates.slice(from, from + 40)) {
      if (file.words.includes(wanted)) { found.push(file); continue; }
      const text = texts(number.get(file.path));
      if ((text.source + "\n" + (text.translation || "")).toLowerCase().includes(wanted)) found.push(file);
    }
    if (from + 40 < candidates.length) setTimeout(step, 0, from + 40); else showFiles(found);
  };
  step(0);
}

function showFiles(found) {
  const heads = [
    { key: "path", title: "File", by: (file) => file.path },
    { key: "status", title: "Status", by: (file) => file.status },
    { key: "coverage", title: "API uses translated", by: (file) => file.counts && file.counts.seen ? file.counts.translated / file.counts.seen : 2 },
    { key: "refused", title: "Refused", number: true, by: errors },
    { key: "notes", title: "Notes", number: true, by: (file) => file.diagnostics.length - errors(file) },
  ];
  const make = (file) => {
    const i = number.get(file.path);
    const cells = [el("td", {}, el("a", { class: "path", href: link(file.path) }, file.path)),
      el("td", {}, el("span", { class: "status " + file.status }, WORDS[file.status])),
      el("td", { class: "wide" }, file.counts ? coverage(file.counts.translated, file.counts.seen) : "–"),
      el("td", { class: "number" }, String(errors(file))),
      el("td", { class: "number" }, String(file.diagnostics.length - errors(file)))];
    return foldable(cells, "Findings of " + file.path, (cell) => {
      if (!file.diagnostics.length) { cell.append(el("span", { class: "hint" }, "no findings")); return; }
      const places = el("ul", { class: "places" });
      cell.append(places);
      growing(places, file.diagnostics, (finding) => place(i, finding));
    });
  };
  show(table(heads, found, make, "No file fits."), found.length, "file");
}

function apiTable() {
  const wanted = state.search.trim().toLowerCase();
  if (!state.sort) { state.sort = "refused"; state.down = true; }
  const found = [...apis.values()].filter((api) => api.name.toLowerCase().includes(wanted))
    .sort((a, b) => b.calls - a.calls || (a.name < b.name ? -1 : 1));
  const heads = [
    { key: "name", title: "API", by: (api) => api.name },
    { key: "coverage", title: "Calls not refused", by: (api) => 1 - api.refused / api.calls },
    { key: "calls", title: "Calls", number: true, by: (api) => api.calls },
    { key: "refused", title: "Refused", number: true, by: (api) => api.refused },
    { key: "files", title: "Files", number: true, by: (api) => api.uses.length },
  ];
  const make = (api) => foldable([el("td", { class: "path" }, api.name),
    el("td", { class: "wide" }, coverage(api.calls - api.refused, api.calls)),
    ...[api.calls, api.refused, api.uses.length].map((value) => el("td", { class: "number" }, String(value)))],
  "Files that call " + api.name, (cell) => {
    const places = el("ul", { class: "places" });
    cell.append(places);
    growing(places, api.uses, ([i, use]) => el("li", {}, el("a", { class: "path", href: link(files[i].path) }, files[i].path),
      ` ${use.calls} × ${use.refused ? `(${use.refused} refused)` : ""}`));
  });
  show(table(heads, found, make, "No API fits."), found.length, "API");
}

function codeTable() {
  const wanted = state.search.trim().toLowerCase();
  const text = (code) => `${code.code} ${index.codes[code.code].join(" ")}`.toLowerCase();
  const found = [...codes.values()].map((code) => text(code).includes(wanted) ? code : { ...code, places: code.places.filter(
    ([i, finding]) => `${files[i].path} ${finding.message} ${finding.hint}`.toLowerCase().includes(wanted)) })
    .filter((code) => code.places.length).sort((a, b) => b.places.length - a.places.length);
  const heads = [
    { key: "code", title: "Code", by: (code) => code.code },
    { key: "title", title: "Meaning", by: (code) => index.codes[code.code][0] },
    { key: "places", title: "Places", number: true, by: (code) => code.places.length },
  ];
  const make = (code) => foldable([el("td", {}, el("span", { class: "code " + code.severity }, code.code)),
    el("td", {}, index.codes[code.code][0], el("div", { class: "hint" }, index.codes[code.code][1])),
    el("td", { class: "number" }, String(code.places.length))],
  "Places of " + code.code, (cell) => {
    const places = el("ul", { class: "places" });
    cell.append(places);
    growing(places, code.places, ([i, finding]) => place(i, finding));
  });
  show(table(heads, found, make, "No finding fits."), found.length, "code");
}

// One file: its source beside its translation, findings under their lines.

const LONG_RUN = 16;

/** Show a file, and scroll to a line of its source. */
function fileView(i, line) {
  turn++;
  const file = files[i], text = texts(i), translation = text.translation;
  document.title = `${file.path} – xlate`;
  const before = linesOf(text.source), after = linesOf(translation === null ? text.source : translation);
  const colours = [coloured(text.source), translation === null ? null : coloured(translation)];
  const pairs = translation === null ? before.map((_, n) => [n, -1, true]) : aligned(before, after);
  const byLine = new Map();
  for (const finding of file.diagnostics) {
    const at = Math.min(Math.max(finding.at || finding.line, 1), Math.max(before.length, 1));
    byLine.set(at, [...(byLine.get(at) || []), finding]);
  }
  const lines = el("div", { class: "lines" });
  const make = (pair) => rows(file, pair, colours, byLine);
  const items = runs(pairs).flatMap((run) => run.length < LONG_RUN ? run : [run]);
  const pieces = chunks(lines, items, (item) => Array.isArray(item[0]) ? [folded(item, make)] : make(item));
  if (!pairs.length) file.diagnostics.forEach((finding) => lines.append(message(finding)));
  const stops = [...byLine.keys()].sort((a, b) => a - b);
  main.replaceChildren(head(file, stops, line), el("div", { class: "sides" }, el("span", {}, file.path),
    el("span", {}, translation === null ? "no translation" : file.output || "translation")), lines);
  if (line) reveal(pieces, line); else scrollTo(0, 0);
}

function head(file, stops, line) {
  const jump = (to, text, label) => el("button", { type: "button", "aria-label": label, disabled: to === undefined,
    onclick: () => { location.hash = link(file.path, to); } }, text);
  const next = stops.find((stop) => stop > (line || 0)), last = stops.filter((stop) => stop < (line || 0)).pop();
  return el("div", { class: "filehead" }, el("a", { href: "#:" + view }, "← back"), el("h2", {}, file.path),
    el("span", { class: "status " + file.status }, WORDS[file.status]),
    file.counts ? coverage(file.counts.translated, file.counts.seen) : null, el("span", { class: "space" }),
    ...file.edges.slice(0, 6).map((edge) => el("span", { class: "hint" }, `${edge.owner} ${edge.name}: ${edge.axes}`)),
    el("span", { class: "hint" }, `${file.diagnostics.length} finding${file.diagnostics.length === 1 ? "" : "s"}`),
    jump(last, "↑", "Previous finding"), jump(next, "↓", "Next finding"));
}

/** The rows, in chunks: those of a long file are made when they come near the screen. */
function chunks(parent, pairs, make) {
  const pieces = [];
  for (let from = 0; from < pairs.length; from += PAGE) {
    const part = pairs.slice(from, from + PAGE), node = el("div", {});
    const piece = { node, part, filled: false, fill() {
      if (this.filled) return;
      this.filled = true;
      node.style.minHeight = "";
      node.append(...part.flatMap(make));
    } };
    pieces.push(piece);
    parent.append(node);
    if (pairs.length <= 10 * PAGE) { piece.fill(); continue; }
    node.style.minHeight = part.length * 1.5 + "em";
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      piece.fill();
    }, { rootMargin: "1200px" });
    watch.observe(node);
  }
  return pieces;
}

/** The rows, with neighbours that only the translation has (helpers) in runs of their own. */
function runs(pairs) {
  const out = [];
  pairs.forEach((pair, i) => {
    if (i && pair[0] < 0 && pairs[i - 1][0] < 0) out[out.length - 1].push(pair); else out.push([pair]);
  });
  return out;
}

/** A long run that only the translation has: one row that opens. */
function folded(run, make) {
  const row = el("button", { type: "button", class: "folded", onclick: () => row.replaceWith(...run.flatMap(make)) },
    `▸ ${run.length} lines that only the translation has`);
  return row;
}

function rows(file, [left, right, same], colours, byLine) {
  const code = (kind, side, at) => el("span", { class: kind }, ...(at < 0 || !colours[side] ? [] : (colours[side][at] || []).map(
    ([name, part]) => name ? el("span", { class: name }, part) : part)));
  const row = el("div", { class: same ? "row" : "row changed", id: left < 0 ? null : "L" + (left + 1) },
    el("span", { class: "ln" }, left < 0 ? null : el("a", { href: link(file.path, left + 1) }, String(left + 1))),
    code(left < 0 ? "" : "old", 0, left), el("span", { class: "rn" }, right < 0 ? "" : String(right + 1)),
    code(right < 0 ? "" : "new", 1, right));
  return [row, ...(byLine.get(left + 1) || []).map(message)];
}

function message(finding) {
  return el("div", { class: "finding " + finding.severity }, el("span", { class: "code" }, finding.code), " ", finding.message,
    finding.hint ? el("span", { class: "hint" }, ` (${finding.hint})`) : null);
}

function reveal(pieces, line) {
  const piece = pieces.find((one) => one.part.some(([left]) => left === line - 1));
  if (!piece) return;
  piece.fill();
  const row = document.getElementById("L" + line);
  row.classList.add("target");
  row.scrollIntoView({ block: "center" });
}

// -- what the address says -----------------------------------------------------------------------------

function route() {
  let hash = location.hash.slice(1);
  try { hash = decodeURIComponent(hash); } catch { /* shown as it is */ }
  const at = /^([^]*)-L(\d+)$/.exec(hash);
  if (number.has(hash)) fileView(number.get(hash), 0);
  else if (at && number.has(at[1])) fileView(number.get(at[1]), Number(at[2]));
  else {
    overview(hash.startsWith(":") && VIEWS[hash.slice(1)] ? hash.slice(1) : "files");
    scrollTo(0, 0);
  }
}

/** What the reader chose last time, where the browser keeps it for pages from files. */
function theme(chosen) {
  try {
    if (chosen) localStorage.setItem("xlate-theme", chosen);
    return localStorage.getItem("xlate-theme") || chosen;
  } catch { return chosen; }
}

function setTheme(name) {
  if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
}

document.getElementById("run").textContent =
  `${index.direction} · layout ${index.layout} · fidelity ${index.fidelity} · version ${index.version}`;
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement.dataset.theme;
  const dark = root ? root === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = dark ? "light" : "dark";
  theme(name);
  setTheme(name);
});
setTheme(theme(""));
addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  const search = document.getElementById("search");
  if (event.key === "/" && search && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    search.focus();
  }
});
route();

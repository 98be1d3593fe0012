"use strict";
// What is shown of one file: which lines of the source and the translation stand side by side, and their colours.

const KEYWORDS = "and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|False|finally|for|from|"
  + "global|if|import|in|is|lambda|match|None|nonlocal|not|or|pass|raise|return|True|try|while|with|yield";
const TOKENS = new RegExp(
  "(#[^\\n]*)"
  + "|((?:\\b[rRbBuUfF]{1,2})?(?:\"\"\"[^]*?\"\"\"|'''[^]*?'''|\"(?:\\\\.|[^\"\\\\\\n])*\"|'(?:\\\\.|[^'\\\\\\n])*'))"
  + `|\\b(${KEYWORDS})\\b|\\b(\\d[\\w.]*)`, "g");
const MOST_EDITS = 1500, MOST_COMPARED = 60000;

/** The lines of a text, without their ends. */
function linesOf(text) {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.length && lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/** For each line a list of [class, text] pieces. */
function coloured(text) {
  const lines = [[]];
  const put = (kind, part) => part.split(/\r\n|\n|\r/).forEach((piece, number) => {
    if (number) lines.push([]);
    if (piece) lines[lines.length - 1].push([kind, piece]);
  });
  let end = 0;
  for (const found of text.matchAll(TOKENS)) {
    put("", text.slice(end, found.index));
    put(found[1] ? "c" : found[2] ? "s" : found[3] ? "k" : "n", found[0]);
    end = found.index + found[0].length;
  }
  put("", text.slice(end));
  return lines;
}

/**
 * Pairs of line numbers (from 0, or -1) in the order in which they are shown: equal lines side by side, changed ones
 * in blocks. The shortest edit script (Myers 1986), given up where the texts have too little in common to be worth it.
 */
function aligned(before, after) {
  let head = 0, tail = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  while (tail < before.length - head && tail < after.length - head
         && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const equal = shortestEdit(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  const pairs = [];
  for (let i = 0; i < head; i++) pairs.push([i, i, true]);
  let left = head, right = head;
  const block = (leftEnd, rightEnd) => {
    const alike = likeliest(before.slice(left, leftEnd), after.slice(right, rightEnd)), start = [left, right];
    for (const [i, j] of [...alike, [leftEnd - left, rightEnd - right]]) {
      while (left < start[0] + i) pairs.push([left++, -1, false]);
      while (right < start[1] + j) pairs.push([-1, right++, false]);
      if (left < leftEnd && right < rightEnd) pairs.push([left++, right++, false]);
    }
  };
  for (const [i, j] of equal) {
    block(i + head, j + head);
    pairs.push([left++, right++, true]);
  }
  block(before.length - tail, after.length - tail);
  for (let i = 0; i < tail; i++) pairs.push([left++, right++, true]);
  return pairs;
}

/** Which lines of two changed blocks stand for each other: in order, sharing the most words. */
function likeliest(a, b) {
  if (a.length === b.length || a.length * b.length > MOST_COMPARED) {
    return Array.from({ length: Math.min(a.length, b.length) }, (_, i) => [i, i]);
  }
  const words = (line) => new Set(line.match(/\w+|[^\s\w]/g) || []), left = a.map(words), right = b.map(words);
  const alike = (i, j) => {
    let both = 0;
    for (const word of left[i]) both += right[j].has(word);
    const share = 2 * both / (left[i].size + right[j].size || 1);
    return share > 0.4 ? share : 0;
  };
  const width = b.length + 1, best = new Float64Array((a.length + 1) * width), gain = new Float64Array(best.length);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      gain[at] = alike(i, j);
      best[at] = Math.max(best[at + width], best[at + 1], gain[at] && gain[at] + best[at + width + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const at = i * width + j;
    if (gain[at] && best[at] === gain[at] + best[at + width + 1]) pairs.push([i++, j++]);
    else if (best[at] === best[at + width]) i++; else j++;
  }
  return pairs;
}

/** The pairs of equal lines of a shortest edit script. */
function shortestEdit(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS), reach = new Int32Array(2 * most + 3), steps = [];
  let edits = 0;
  search: for (; edits <= most; edits++) {
    steps.push(reach.slice(most - edits, most + edits + 3));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && reach[most + k] < reach[most + k + 2]);
      let x = down ? reach[most + k + 2] : reach[most + k] + 1, y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) { x++; y++; }
      reach[most + k + 1] = x;
      if (x >= a.length && y >= b.length) break search;
    }
  }
  if (edits > most) return [];
  const pairs = [];
  for (let x = a.length, y = b.length; edits >= 0; edits--) {
    const old = steps[edits], at = (k) => old[k + edits + 1], k = x - y;
    const down = k === -edits || (k !== edits && at(k - 1) < at(k + 1));
    const startX = edits ? (down ? at(k + 1) : at(k - 1) + 1) : 0, startY = startX - k;
    while (x > startX && y > startY) pairs.push([--x, --y]);
    if (edits) { x = down ? startX : startX - 1; y = x - (k + (down ? 1 : -1)); }
  }
  return pairs.reverse();
}

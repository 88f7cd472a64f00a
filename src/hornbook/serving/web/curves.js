// Curves as SVG, drawn here: axes, lines, levels to compare with, and a cursor for the mouse and the arrow keys.
import { element } from './page.js';

export const svg = (name, attributes, ...children) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export const short = (value) => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return size !== 0 && size < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3));
};

// Each value averaged with its neighbours over about a twentieth of the curve; the start stays true, as in the picture of a run.
export function runningMean(points) {
  const half = Math.floor(Math.round(0.05 * points.length) / 2);
  const sums = [0];
  for (const [, value] of points) sums.push(sums.at(-1) + value);
  return points.map(([x], place) => {
    const near = Math.min(half, place), end = Math.min(points.length, place + near + 1);
    return [x, (sums[end] - sums[place - near]) / (end - place + near)];
  });
}

function steps(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at += 1) found.push(at * step);
  return found;
}

// A line as it looks, for the words beside it.
const sign = (line) => svg('svg', { class: 'curves', width: 30, height: 10, 'aria-hidden': 'true' }, svg('path', { class: line.form, d: 'M1 5L29 5' }),
  ...(line.dots ? [svg('circle', { class: line.form, cx: 15, cy: 5, r: 3 })] : []));

function decades(high) {
  const found = [];
  for (let at = 1; at <= high; at *= 10) found.push(at);
  return found;
}

// A chart that `draw` fills: lines [{ name, points [[x, y]], form }] where form is a class of style.css, levels [{ name, y }].
export function chart(label, { height = 260, digits = 3, legend = false } = {}) {
  const root = element('figure', { class: 'chart' });
  const holder = element('div', { tabindex: '0', role: 'group', 'aria-label': `${label}. The arrow keys move along the steps.` });
  const said = element('output', { class: 'quiet', 'aria-live': 'polite' });
  const keys = element('span', { class: 'keys' });
  root.append(element('figcaption', {}, label, keys), holder, said);
  const words = (value) => (digits !== null ? value.toFixed(digits) : value >= 100 ? Math.round(value).toLocaleString('en') : short(value));
  let shown = { lines: [], levels: [], log: false }, at, scale;

  function draw(next) {
    if (next) shown = next;
    const lines = shown.lines.filter((line) => line.points.length);
    if (!lines.length) { holder.replaceChildren(element('p', { class: 'quiet' }, 'Nothing yet.')); said.textContent = ''; return; }
    const width = Math.max(260, holder.clientWidth), left = 46, right = 12, top = 10, bottom = 26;
    const values = [...lines.flatMap((line) => line.points.map((point) => point[1])), ...shown.levels.map((level) => level.y)];
    const highest = lines.reduce((most, line) => Math.max(most, line.points.at(-1)[0]), 1);
    let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    if (low > 0 && low < 0.3 * high) low = 0;
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    [low, high] = [low === 0 ? 0 : low - room, high + room];
    const across = shown.log ? (x) => Math.log(Math.max(1, x)) / Math.log(Math.max(2, highest)) : (x) => x / highest;
    const x = (value) => left + across(value) * (width - left - right);
    const y = (value) => top + (1 - (value - low) / (high - low)) * (height - top - bottom);
    scale = { x, y, top, low: height - bottom, width };
    const marks = shown.log ? decades(highest) : steps(0, highest, width < 500 ? 4 : 8).filter((one) => Number.isInteger(one));
    const picture = svg('svg', { class: 'curves', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary() },
      ...steps(low, high, 5).flatMap((value) => [
        svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value))]),
      ...marks.map((value) => svg('text', { x: x(value), y: height - 8, 'text-anchor': x(value) > width - 30 ? 'end' : 'middle' }, short(value))),
      svg('line', { class: 'axis', x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
      ...shown.levels.flatMap((level) => [
        svg('line', { class: 'level', x1: left, x2: width - right, y1: y(level.y), y2: y(level.y) }),
        svg('text', { x: width - right, y: y(level.y) - 5, 'text-anchor': 'end' }, `${level.name} ${words(level.y)}`)]),
      ...lines.map((line) => svg('path', { class: line.form, d: line.points.map(([a, b], place) => `${place ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('') })),
      ...lines.filter((line) => line.dots || line.points.length === 1).flatMap((line) => line.points.map(([a, b]) => svg('circle', { class: line.form, cx: x(a), cy: y(b), r: 3 }))),
      svg('g', { class: 'cursor' }));
    holder.replaceChildren(picture);
    if (legend) keys.replaceChildren(...lines.filter((line) => line.name).map((line) => element('span', {}, sign(line), line.name)));
    if (at !== undefined) point(at);
  }
  function summary() {
    const ends = shown.lines.filter((line) => line.name && line.points.length).map((line) => `${line.name} ${words(line.points.at(-1)[1])} at step ${line.points.at(-1)[0]}`);
    return `${label}: ${[...ends, ...shown.levels.map((level) => `${level.name} ${words(level.y)}`)].join(', ')}`;
  }
  const named = () => shown.lines.filter((line) => line.name && line.points.length);
  const places = () => [...new Set(named().flatMap((line) => line.points.map((one) => one[0])))].sort((a, b) => a - b);

  // Each line's point at the step, or the last one before it.
  function point(step) {
    at = step;
    const found = named().map((line) => ({ line, near: line.points.findLast((one) => one[0] <= step) })).filter((one) => one.near);
    holder.querySelector('.cursor')?.replaceChildren(
      svg('line', { x1: scale.x(step), x2: scale.x(step), y1: scale.top, y2: scale.low }),
      ...found.map(({ line, near }) => svg('circle', { class: line.form, cx: scale.x(near[0]), cy: scale.y(near[1]), r: 4 })));
    said.textContent = `step ${step.toLocaleString('en')}: ` + found.map(({ line, near }) => `${line.name} ${words(near[1])}${near[0] === step ? '' : ` (step ${near[0].toLocaleString('en')})`}`).join(', ');
  }
  holder.addEventListener('pointermove', (event) => {
    const where = event.clientX - holder.getBoundingClientRect().left, all = places();
    if (!all.length || !scale) return;
    point(all.reduce((best, one) => (Math.abs(scale.x(one) - where) < Math.abs(scale.x(best) - where) ? one : best)));
  });
  holder.addEventListener('keydown', (event) => {
    const all = places(), move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (!all.length || (move === undefined && !['Home', 'End', 'Escape'].includes(event.key))) return;
    event.preventDefault();
    if (event.key === 'Escape') { at = undefined; said.textContent = ''; draw(); return; }
    const here = at === undefined ? all.length - 1 : all.findLastIndex((one) => one <= at);
    point(event.key === 'Home' ? all[0] : event.key === 'End' ? all.at(-1) : all[Math.max(0, Math.min(all.length - 1, here + move))]);
  });
  const seen = new ResizeObserver(() => { if (scale && Math.abs(Math.max(260, holder.clientWidth) - scale.width) > 1) draw(); });
  seen.observe(holder);
  return { node: root, draw, leave: () => seen.disconnect() };
}

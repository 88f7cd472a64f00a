// What all views need: elements, requests, the address, and words for errors.
let known;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

export function shade(node, share) {
  node.style.setProperty('--shade', share.toFixed(3));
  return node;
}

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

export const keyNeeded = (error) => error instanceof Refused && error.status === 401;
export const forget = () => { known = undefined; };
export const card = () => (known ??= get('/view/model').catch((error) => { forget(); throw error; }));
export const say = (text) => { document.getElementById('say').textContent = text; };
export const percent = (share) => (share >= 0.0995 ? `${(100 * share).toFixed(0)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : '< 0.1 %');

function headers() {
  const key = sessionStorage.getItem('key');
  return { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function checked(answer) {
  if (answer.ok) return answer;
  let message = `the server answered ${answer.status}`;
  try { message = (await answer.json()).error.message; } catch { /* no JSON: the status says it */ }
  throw new Refused(answer.status, message);
}

export async function get(path) {
  return (await checked(await fetch(path, { headers: headers() }))).json();
}

export async function post(path, body, signal) {
  const answer = await fetch(path, { method: 'POST', headers: headers(), body: JSON.stringify(body), signal });
  return (await checked(answer)).json();
}

// The events of a stream, one parsed object each, up to [DONE].
export async function* events(path, body, signal) {
  const answer = await checked(await fetch(path, {
    method: 'POST', headers: headers(), body: JSON.stringify({ ...body, stream: true }), signal,
  }));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split('\n\n');
    held = parts.pop();
    for (const part of parts) {
      const data = part.slice('data: '.length);
      if (data === '[DONE]') return;
      const found = JSON.parse(data);
      if (found.error) throw new Refused(500, found.error.message);
      yield found;
    }
  }
}

// The address of a view: #write?text=Once
export function address(view, values) {
  const params = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '' && value !== undefined));
  return `#${view}${params.size ? `?${params}` : ''}`;
}

// Keep what a view shows in its address, without a new place in the history.
export function remember(view, values) {
  history.replaceState(null, '', address(view, values));
}

export function fail(root, error) {
  if (error.name === 'AbortError') return;
  root.append(element('p', { class: 'error', role: 'alert' }, error.message));
}

// A slider with its number; `read()` gives the value, `none` (the right end) asks for nothing.
export function slider(label, { min, max, step, value, none, shown = String }) {
  const field = element('input', { type: 'range', min, max, step, value });
  const number = element('span', { 'aria-hidden': 'true' });
  const read = () => (none !== undefined && Number(field.value) === none ? undefined : Number(field.value));
  const show = () => { number.textContent = read() === undefined ? 'all' : shown(Number(field.value)); };
  field.addEventListener('input', show);
  show();
  return { node: element('label', {}, element('span', {}, `${label} `), number, field), field, read };
}

export function samplers(params = new URLSearchParams()) {
  const temperature = slider('temperature', { min: 0, max: 2, step: 0.05, value: params.get('t') ?? 0.8, shown: (t) => t.toFixed(2) });
  const topK = slider('top-k', { min: 1, max: 60, step: 1, value: params.get('k') ?? 60, none: 60 });
  const topP = slider('top-p', { min: 0.05, max: 1, step: 0.05, value: params.get('p') ?? 1, none: 1, shown: (p) => p.toFixed(2) });
  const all = [temperature, topK, topP];
  return {
    node: element('div', { class: 'row' }, ...all.map((one) => one.node)),
    read: () => ({ temperature: temperature.read(), top_k: topK.read(), top_p: topP.read() }),
    listen: (heard) => all.forEach((one) => one.field.addEventListener('input', heard)),
    address: () => ({ t: temperature.field.value, k: topK.read(), p: topP.read() }),
  };
}

// A token as people see it: a line end gets a sign, nothing else is changed.
export const visible = (text) => text.replaceAll('\n', '⏎\n').replaceAll('\t', '⇥');
export const inline = (text) => text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣');

// A text field that asks `look(text)` a moment after the last key, one question at a time.
export function lookingAt(view, params, first, look) {
  const field = element('textarea', { id: 'text', rows: 3, spellcheck: 'false' });
  field.value = params.get('text') ?? first;
  const result = element('div');
  let timer, asking;
  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const mine = asking;
    try {
      const nodes = await look(field.value, mine.signal);
      if (mine === asking) result.replaceChildren(...nodes);
    } catch (error) {
      if (error.name === 'AbortError' || mine !== asking) return;
      result.replaceChildren();
      fail(result, error);
    }
  }
  field.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(ask, 250); });
  return { nodes: [element('label', { for: 'text' }, 'Text', field), result], ask, field, leave: () => { clearTimeout(timer); asking?.abort(); } };
}

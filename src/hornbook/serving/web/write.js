import { address, element, events, fail, inline, percent, post, remember, samplers, say, shade, visible } from './page.js';

export const title = 'Write';
export const explain = 'The model goes on with a text; the stronger the colour of a token, the surer it was of it. Choose a token to see what else could have come, and go on from another one.';

export async function render(root, params, model) {
  const field = element('textarea', { id: 'text', rows: 3 });
  field.value = params.get('text') ?? 'One morning';
  const sampling = samplers(params);
  const go = element('button', { class: 'main' }, 'Write on');
  const one = element('button', {}, 'One token');
  const stop = element('button', { disabled: true }, 'Stop');
  const origins = element('a', { class: 'button' }, 'Where from');
  const shown = element('div', { class: 'tokens', 'aria-label': 'The text, token by token' });
  const heading = element('h2');
  const bars = element('ol', { class: 'bars' });
  const trouble = element('div');
  let running, found, chosen, ids;
  root.append(element('label', { for: 'text' }, 'Text', field), sampling.node, element('div', { class: 'row' }, go, one, stop, origins), trouble, shown, heading, bars);

  async function look() {
    trouble.replaceChildren();
    try {
      found = await post('/view/write', ids ? { tokens: ids } : { text: field.value });
      ids = found.tokens.map((token) => token.id);
      chosen = undefined;
      draw();
    } catch (error) { fail(trouble, error); }
  }
  function draw() {
    remember('write', { text: field.value, ...sampling.address() });
    origins.href = address('origins', { text: field.value });
    shown.replaceChildren(...found.tokens.map((token, place) => {
      const label = token.probability === null ? 'the beginning' : percent(token.probability);
      const button = element('button', { class: 'token', title: label, 'aria-pressed': String(place === chosen), onclick: () => { chosen = place === chosen ? undefined : place; draw(); } }, visible(token.text));
      return shade(button, token.probability === null ? 0 : 0.75 * token.probability);
    }));
    if (chosen === undefined) drawNext(); else drawOthers(found.tokens[chosen]);
  }
  function drawNext() {
    heading.textContent = 'What may come next';
    const { temperature, top_k: k, top_p: p } = sampling.read();
    bars.replaceChildren(...tempered(found.next, found.rest, temperature, k, p).slice(0, 12).map((token) => bar(token, () => { ids = [...ids, token.id]; follow(token.text); })));
  }
  function drawOthers(token) {
    heading.textContent = `Instead of “${inline(token.text)}”`;
    bars.replaceChildren(...token.others.map((other) => bar(other, () => { ids = [...ids.slice(0, chosen), other.id]; follow(); })));
  }
  async function follow() {
    await look();
    field.value = written();
    draw();
  }
  const written = () => found.tokens.map((token) => token.text).join('').replace(/^<\|endoftext\|>/, '');
  async function write(count) {
    running = new AbortController();
    go.disabled = one.disabled = true;
    stop.disabled = false;
    say('writing');
    trouble.replaceChildren();
    try {
      if (!ids) await look();
      const body = { prompt: ids, max_tokens: count, return_token_ids: true, ...sampling.read() };
      for await (const event of events('/v1/completions', body, running.signal)) {
        ids = [...ids, ...(event.choices[0]?.token_ids ?? [])];
        field.value += event.choices[0]?.text ?? '';
        shown.textContent = field.value;
      }
    } catch (error) { fail(trouble, error); }
    go.disabled = one.disabled = false;
    stop.disabled = true;
    say('');
    await look();
  }
  go.addEventListener('click', () => write(Math.max(1, Math.min(60, model.context_length - (ids?.length ?? 0) - 1))));
  one.addEventListener('click', () => write(1));
  stop.addEventListener('click', () => running?.abort());
  field.addEventListener('input', () => { ids = undefined; });
  field.addEventListener('change', () => { ids = undefined; look(); });
  sampling.listen(() => { if (found) draw(); });
  await look();
  return () => running?.abort();
}

function bar(token, choose) {
  const share = element('i');
  share.style.width = `${(100 * token.probability).toFixed(2)}%`;
  return element('li', {}, element('button', { onclick: choose, class: token.probability === 0 ? 'out' : undefined },
    element('span', { class: 'text' }, inline(token.text)), element('span', { class: 'bar', 'aria-hidden': 'true' }, share),
    element('span', { class: 'number' }, token.probability === 0 ? 'cut' : percent(token.probability))));
}

// The same order as the model's own sampling: top-k, temperature, top-p.
export function tempered(tokens, rest, temperature, k, p) {
  if (temperature === 0) return tokens.map((token, place) => ({ ...token, probability: place === 0 ? 1 : 0 }));
  const kept = tokens.map((token, place) => (k === undefined || place < k));
  const top = tokens[0].logit;
  const weights = tokens.map((token, place) => (kept[place] ? Math.exp((token.logit - top) / temperature) : 0));
  const others = k === undefined && rest !== null ? Math.exp((rest - top) / temperature) : 0;
  const sum = weights.reduce((a, b) => a + b, others);
  let reached = 0;
  const nucleus = weights.map((weight) => { const inside = p === undefined || reached < p; reached += weight / sum; return inside ? weight : 0; });
  const left = nucleus.reduce((a, b) => a + b, p === undefined ? others : 0);
  return tokens.map((token, place) => ({ ...token, probability: nucleus[place] / left }));
}

import { element, fail, get, lookingAt, percent, post, remember, shade, slider } from './page.js';

export const title = 'Where from';
export const explain = 'Parts of a text that stand word for word in the text this model was trained on are marked, the longer the stronger; choose one to see where it stands. Short parts are everybody’s phrases, so only those with as many characters as the slider says count as copied.';
const FIRST = 'One morning Nora left the rope by the fountain.';
const MOST = 200; // characters: as dark as it gets
const number = (value) => value.toLocaleString('en');

export async function render(root, params) {
  const gone = new AbortController();
  const card = await indexed(root, gone.signal);
  if (!card) return () => gone.abort();
  const least = slider('characters at least', { min: card.least, max: MOST, step: 5, value: params.get('n') ?? 50 });
  const trouble = element('div');
  const summary = element('p', { role: 'status' });
  const shown = element('div', { class: 'tokens', 'aria-label': 'The text, with what is copied' });
  const places = element('div');
  let found, ids = 0, chosen = params.has('at') ? Number(params.get('at')) : undefined;
  const looking = lookingAt('origins', params, FIRST, async (text, signal) => {
    places.replaceChildren();
    found = await post('/view/origins/find', { text }, signal);
    found.letters = Array.from(found.text);
    draw();
    if (chosen !== undefined) await look();
    return [summary, shown, trouble, places];
  });
  looking.field.addEventListener('input', () => { chosen = undefined; });
  root.append(looking.nodes[0], element('div', { class: 'row' }, least.node), looking.nodes[1], element('h2', {}, 'What the model knows by heart'), known(card));
  least.field.addEventListener('input', () => { if (found) draw(); });

  function draw() {
    const all = found.letters.length, limit = least.read();
    const spans = found.spans.filter((span) => span.to - span.from >= limit);
    const mine = spans.find((span) => span.from === chosen);
    if (!mine) { chosen = undefined; places.replaceChildren(); }
    const parts = cover(spans, all, mine);
    const copied = parts.reduce((sum, part) => sum + (part.span ? part.to - part.from : 0), 0);
    const longest = Math.max(0, ...found.spans.map((span) => span.to - span.from));
    remember('origins', { text: looking.field.value, n: limit, at: chosen });
    summary.textContent = all === 0 ? '' : `${copied ? percent(copied / all) : '0 %'} of ${number(all)} characters are copied`
      + (longest ? `; the longest part that stands in the training text has ${number(longest)}.` : `: no part of ${card.least} characters stands in the training text.`);
    shown.replaceChildren(...parts.map((part) => {
      const text = found.letters.slice(part.from, part.to).join('');
      return part.span ? mark(text, part.span) : text;
    }));
  }
  function mark(text, span) {
    const choose = () => {
      chosen = span.from === chosen ? undefined : span.from;
      draw();
      [...shown.querySelectorAll('.copied')].find((one) => one.dataset.from === String(span.from))?.focus();
      look();
    };
    return shade(element('span', {
      class: 'copied', role: 'button', tabindex: 0, 'data-from': span.from, 'aria-pressed': String(span.from === chosen),
      title: `${number(span.to - span.from)} characters, ${times(span.times)} in the training text`, onclick: choose,
      onkeydown: (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(); } },
    }, text), 0.15 + 0.6 * Math.min(1, (span.to - span.from) / MOST));
  }
  async function look() {
    const span = found.spans.find((one) => one.from === chosen), mine = (ids += 1);
    trouble.replaceChildren();
    if (!span) { places.replaceChildren(); return; }
    try {
      const { count, places: all } = await post('/view/origins/places', { text: looking.field.value, start: span.start, stop: span.stop }, gone.signal);
      if (mine !== ids) return;
      places.replaceChildren(
        element('h2', {}, `These ${number(span.to - span.from)} characters stand ${times(count)} in the training text`
          + (count > all.length ? '; the first places' : '')),
        element('ul', { class: 'talk' }, ...all.map(place)));
    } catch (error) { fail(trouble, error); }
  }
  await looking.ask();
  return () => { gone.abort(); looking.leave(); };
}

const times = (count) => (count === 1 ? 'once' : count === 2 ? 'twice' : `${number(count)} times`);

function place({ source, start, end, exact, line, before, match, behind }) {
  const where = [`${exact ? '' : 'within '}bytes ${number(start)} to ${number(end)}`, ...(line ? [`line ${number(line)}`] : [])].join(', ');
  return element('li', {}, element('p', { class: 'who' }, element('span', {}, source), element('span', {}, where)),
    element('p', { class: 'what' }, `${before && '… '}${before}`, element('mark', {}, match), `${behind}${behind && ' …'}`));
}

// Every character belongs to the longest span that covers it, or to the `first` one: [{ from, to, span }] in order, without a span
// where none does.
export function cover(spans, length, first) {
  const owner = new Array(length).fill(undefined);
  const rank = (span) => (span === first ? Infinity : span.to - span.from);
  for (const span of [...spans].sort((a, b) => rank(a) - rank(b))) owner.fill(span, span.from, span.to);
  const parts = [];
  owner.forEach((span, at) => {
    if (at && parts.at(-1).span === span) parts.at(-1).to = at + 1;
    else parts.push({ from: at, to: at + 1, span });
  });
  return parts;
}

// Waits until the training text is indexed and says how far it is; undefined where it isn't there or the view was left.
async function indexed(root, signal) {
  let card = await get('/view/origins');
  if (card.state === 'absent') { root.append(element('p', {}, card.message)); return undefined; }
  if (card.state === 'ready') return card;
  const bar = element('progress', { max: 1, value: 0, 'aria-label': 'sorting the training text' });
  const said = element('p', {}, `The ${number(card.tokens)} tokens of the training text are sorted, once: `, bar);
  root.replaceChildren(said);
  card = await post('/view/origins/index', {});
  while (['unbuilt', 'building'].includes(card.state)) {
    if (signal.aborted || !root.isConnected) return undefined;
    bar.value = card.share;
    await new Promise((heard) => { setTimeout(heard, 300); });
    card = await get('/view/origins');
  }
  root.replaceChildren();
  if (card.state === 'ready') return card;
  fail(root, new Error(card.message));
  root.append(element('button', { onclick: () => dispatchEvent(new HashChangeEvent('hashchange')) }, 'Try again'));
  return undefined;
}

function known(card) {
  const result = element('div');
  const go = element('button', {}, 'Measure it');
  const show = (found) => result.replaceChildren(...figures(found));
  async function measure() {
    go.disabled = true;
    go.textContent = 'Measuring …';
    try {
      show(await post('/view/origins/memorised', {}));
    } catch (error) {
      go.disabled = false;
      go.textContent = 'Measure it';
      fail(result, error);
    }
  }
  go.addEventListener('click', measure);
  if (card.memorised) show(card.memorised);
  else result.append(element('p', {}, 'The model reads the beginning of passages of its training text and of text that it has never read: how often does it go on word for word?'), go);
  return result;
}

function figures({ numbers, intervals, notes, prefix, length }) {
  const rows = [['training text', 'passages, training text'], ['held-out text', 'passages, held-out text']].filter(([, count]) => numbers[count]).map(([name, count]) => {
    const share = `word for word, ${name} (share)`;
    const [low, high] = intervals[share];
    return element('tr', {}, element('th', { scope: 'row' }, `${name}, ${numbers[count]} passages`),
      element('td', {}, `${percent0(numbers[share])} (${percent0(low)} to ${percent0(high)})`), element('td', {}, numbers[`tokens before it departs, ${name} (mean)`].toFixed(1)));
  });
  return [
    element('div', { class: 'scroll' }, element('table', {}, element('thead', {}, element('tr', {}, ...['', 'word for word', 'tokens before it departs'].map((head) => element('th', { scope: 'col' }, head)))), element('tbody', {}, ...rows))),
    element('p', { class: 'quiet' }, `After ${prefix} tokens of a passage, the ${length} that follow, always the likeliest token; in brackets what 95 of 100 such samples allow. What stands above the held-out text is known by heart, the rest is easy to guess. More passages: hornbook evaluate MODEL --suite memorisation.`),
    ...notes.slice(1).map((note) => element('p', { class: 'quiet' }, note)),
  ];
}

const percent0 = (share) => (share === 0 ? '0 %' : percent(share));

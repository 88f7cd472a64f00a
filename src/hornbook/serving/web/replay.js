// The same prompt with the same seed, written by a run's weights as they were at each checkpoint.
import { element, fail, post, say, slider } from './page.js';

// `runs()` are those that are looked at; `remember` keeps the address.
export function replay(params, runs, remember) {
  const prompt = element('textarea', { id: 'prompt', rows: 2 });
  const seed = element('input', { type: 'number', id: 'seed', min: 0, max: 1e9, step: 1, value: params.get('seed') ?? 0 });
  const temperature = slider('temperature', { min: 0, max: 1.5, step: 0.05, value: params.get('t') ?? 0, shown: (t) => (t === 0 ? '0 (likeliest)' : t.toFixed(2)) });
  const place = element('input', { type: 'range', id: 'place', min: 0, max: 0, step: 1, value: 0 });
  const where = element('strong', {});
  const go = element('button', { class: 'main', type: 'button' }, 'Write');
  const all = element('button', { type: 'button' }, 'From each');
  const trouble = element('div');
  const shown = element('div', { class: 'beside', 'aria-live': 'polite' });
  const controls = element('div', {}, element('label', { for: 'prompt' }, 'Prompt', prompt),
    element('label', { for: 'place' }, 'Weights of ', where, place),
    element('div', { class: 'row' }, temperature.node, element('label', { for: 'seed' }, 'seed', seed)),
    element('div', { class: 'row' }, go, all));
  const none = element('p', { class: 'quiet' }, 'There are no weights to write with: a classifier writes no text, and a fine-tuning writes when it is finished.');
  const node = element('section', {}, element('h2', {}, 'The same prompt at each checkpoint'), controls, none, trouble, shown);
  let texts = new Map(), asking, begun = params.has('prompt'), wanted = params.get('place'), timer;
  prompt.value = params.get('prompt') ?? '';

  const placesOf = (run) => run.facts?.places ?? [];
  const places = () => placesOf(runs()[0] ?? {});
  const name = (one) => (one.place === 'model' ? `the finished model${one.step === null ? '' : ` (step ${one.step.toLocaleString('en')})`}` : one.place === '0' ? 'step 0, before it learned anything' : `step ${one.step.toLocaleString('en')}`);
  const chosen = () => places()[Number(place.value)];

  // The same place of another run: the same step, or the last one before it.
  function like(run, one) {
    const found = placesOf(run);
    return found.find((other) => other.place === one.place) ?? (one.place === 'model' ? found.at(-1) : found.findLast((other) => other.place !== 'model' && other.step <= one.step));
  }
  function refresh() {
    const found = places(), count = found.length, before = wanted ?? chosen()?.place;
    controls.hidden = !count;
    none.hidden = Boolean(count);
    place.max = Math.max(0, count - 1);
    const kept = found.findIndex((one) => one.place === before);
    place.value = kept >= 0 ? kept : count - 1;
    if (count) wanted = undefined;
    if (!begun && !prompt.value) prompt.value = firstPrompt(runs()[0]);
    mark();
    draw();
  }
  function mark() {
    const one = chosen();
    where.textContent = one ? name(one) : '';
    if (one) place.setAttribute('aria-valuetext', name(one));
  }
  const setting = () => JSON.stringify([prompt.value, seed.value, temperature.field.value]);
  const keyOf = (run, one) => JSON.stringify([run.name, one.place, setting()]);

  function draw() {
    const here = chosen();
    shown.replaceChildren(...runs().map((run) => {
      const rows = placesOf(run).filter((one) => texts.has(keyOf(run, one)));
      const current = here && like(run, here);
      return element('div', {}, rows.length && runs().length > 1 ? element('p', { class: 'who' }, run.name) : undefined,
        element('ol', { class: 'talk' }, ...rows.map((one) => element('li', { class: one === current ? 'here' : undefined, 'aria-current': one === current ? 'true' : undefined },
          element('p', { class: 'who' }, name(one)), element('p', { class: 'what' }, element('span', { class: 'quiet' }, prompt.value), texts.get(keyOf(run, one)))))));
    }));
  }
  async function write(list) {
    asking?.abort();
    asking = new AbortController();
    const mine = asking, { signal } = mine;
    begun = true;
    remember();
    trouble.replaceChildren();
    try {
      for (const one of list) {
        for (const run of runs()) {
          const there = like(run, one);
          if (!there || texts.has(keyOf(run, there))) continue;
          say(`writing from ${name(there)}`);
          const key = keyOf(run, there);
          const body = { place: there.place, prompt: prompt.value, seed: Number(seed.value) || 0, temperature: temperature.read() };
          const found = await post(`/view/runs/${encodeURIComponent(run.name)}/text`, body, signal);
          texts.set(key, found.text);
          draw();
        }
      }
    } catch (error) {
      if (mine === asking) fail(trouble, error);
    }
    if (mine === asking) say('');
    draw();
  }
  go.addEventListener('click', () => write([chosen()]));
  all.addEventListener('click', () => write(places()));
  place.addEventListener('input', () => {
    mark();
    draw();
    clearTimeout(timer);
    timer = setTimeout(() => write([chosen()]), 250);
  });
  for (const field of [prompt, seed, temperature.field]) field.addEventListener('input', () => { begun = true; draw(); });
  return {
    node, refresh,
    address: () => (begun ? { prompt: prompt.value, place: chosen()?.place, seed: seed.value === '0' ? '' : seed.value, t: temperature.read() || '' } : {}),
    leave: () => { clearTimeout(timer); asking?.abort(); say(''); },
  };
}

// What the run itself asks for, or the first words of its last sample.
function firstPrompt(run) {
  return run.facts?.prompts?.[0] ?? run.samples.at(-1)?.texts[0]?.split(/\s+/).slice(0, 3).join(' ') ?? '';
}

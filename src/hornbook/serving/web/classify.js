import { element, lookingAt, percent, post, remember } from './page.js';

export const title = 'Classify';
export const explain = 'A classifier reads a text and says how likely each of its classes is. Type, and see.';

export function render(root, params) {
  const looking = lookingAt('classify', params, '', async (text, signal) => {
    remember('classify', { text });
    if (!text.trim()) return [];
    const [{ label, probabilities }] = (await post('/v1/classify', { input: text }, signal)).data;
    const classes = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
    return [element('p', { role: 'status' }, `It is ${label}, by ${percent(probabilities[label])}.`), element('ol', { class: 'bars' }, ...classes.map(bar))];
  });
  root.append(...looking.nodes);
  looking.ask();
  return looking.leave;
}

function bar([name, probability]) {
  const share = element('i');
  share.style.width = `${(100 * probability).toFixed(2)}%`;
  return element('li', {}, element('span', { class: 'text' }, name), element('span', { class: 'bar', 'aria-hidden': 'true' }, share),
    element('span', { class: 'number' }, percent(probability)));
}

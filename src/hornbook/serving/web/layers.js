import { element, inline, lookingAt, percent, post, remember, shade } from './page.js';
import { svg } from './curves.js';

export const title = 'Layers';
export const explain = 'What the model would answer if it ended after each layer: read a column downwards to see an answer form. Below, the mean loss per token after each layer shows how the surprise falls through the depth.';

export function render(root, params) {
  const looking = lookingAt('layers', params, 'One morning Nora left the rope by the fountain.', async (text, signal) => {
    remember('layers', { text });
    const { tokens, layers } = await post('/view/layers', { text }, signal);
    if (!layers.length) return [element('p', {}, 'This model has no layers.')];
    const head = element('tr', {}, element('th', { class: 'side', scope: 'col' }, 'after'), ...tokens.map((token) => element('th', { scope: 'col' }, inline(token.text))));
    const rows = layers.map((layer) => element('tr', {}, element('th', { class: 'side', scope: 'row' }, layer.layer),
      ...layer.answers.map((answers) => shade(element('td', { class: 'cell', title: answers.map((one) => `${inline(one.text)} ${percent(one.probability)}`).join(', ') }, inline(answers[0].text)), 0.7 * answers[0].probability))));
    const means = layers.map((layer) => layer.losses.filter((loss) => loss !== null)).map((losses) => losses.reduce((a, b) => a + b, 0) / losses.length);
    const nodes = [element('div', { class: 'scroll' }, element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)))];
    if (tokens.length > 1) nodes.push(plot(layers.map((layer) => layer.layer), means));
    return nodes;
  });
  root.append(...looking.nodes);
  looking.ask();
  return looking.leave;
}

function plot(names, values) {
  const width = 640, height = 220, left = 46, bottom = 30, top = Math.max(...values);
  const x = (place) => left + (place * (width - left - 20)) / Math.max(1, values.length - 1);
  const y = (value) => 10 + (1 - value / top) * (height - bottom - 10);
  const line = values.map((value, place) => `${place ? 'L' : 'M'}${x(place)} ${y(value)}`).join('');
  const said = names.map((name, place) => `${name}: ${values[place].toFixed(2)}`).join(', ');
  const picture = svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Mean loss in nats: ${said}` },
    svg('line', { class: 'axis', x1: left, x2: width - 20, y1: y(0), y2: y(0) }), svg('line', { class: 'axis', x1: left, x2: left, y1: 10, y2: y(0) }),
    svg('text', { x: 4, y: y(top) + 4 }, top.toFixed(1)), svg('text', { x: 4, y: y(0) }, '0'),
    ...names.map((name, place) => svg('text', { x: x(place), y: height - 10, 'text-anchor': place === 0 ? 'start' : 'middle' }, name.replace('layer ', ''))),
    svg('path', { d: line }));
  return element('figure', {}, picture, element('figcaption', {}, 'Mean loss in nats after the embedding and after each layer'));
}

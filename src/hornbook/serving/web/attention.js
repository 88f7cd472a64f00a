import { element, inline, lookingAt, percent, post, remember, shade } from './page.js';

export const title = 'Attention';
export const explain = 'Each head of each layer lets a token take something from the tokens before it, never from those behind, so the upper right of every map is empty. Pick a map, then point at a token to see where it looks.';

export function render(root, params) {
  let layer = Number(params.get('layer') ?? 0), head = Number(params.get('head') ?? 0), at;
  const looking = lookingAt('attention', params, 'The fox was cold. The fox was tired.', async (text, signal) => {
    const found = await post('/view/attention', { text }, signal);
    if (!found.layers) return [element('p', {}, 'This model has no attention.')];
    layer = Math.min(layer, found.layers - 1);
    head = Math.min(head, found.heads - 1);
    const weights = Uint8Array.from(atob(found.weights), (letter) => letter.charCodeAt(0));
    const count = found.tokens.length;
    at = Math.min(at ?? count - 1, count - 1);
    const weight = (l, h, from, to) => weights[((l * found.heads + h) * count + from) * count + to] / 255;
    const row = element('div', { class: 'tokens', 'aria-label': 'The text: choose a token' });
    const big = element('canvas', { class: 'map', width: count, height: count, role: 'img' });
    const caption = element('figcaption');
    const small = element('div', { class: 'maps' });
    const table = element('p', { class: 'quiet' });

    function draw() {
      remember('attention', { text, layer, head });
      big.setAttribute('aria-label', `Layer ${layer + 1}, head ${head + 1}: rows look at columns`);
      paint(big, count, (from, to) => weight(layer, head, from, to));
      caption.textContent = `Layer ${layer + 1}, head ${head + 1}: the token of a row looks at those of the columns. All heads are below.`;
      row.replaceChildren(...found.tokens.map((token, place) => shade(element('button', {
        class: `token${place === at ? ' seen' : ''}`, 'aria-pressed': String(place === at),
        title: place <= at ? percent(weight(layer, head, at, place)) : 'comes later: not seen',
        onclick: () => choose(place), onmouseenter: () => choose(place), onfocus: () => choose(place),
      }, inline(token.text)), place <= at ? weight(layer, head, at, place) : 0)));
      const most = [...Array(at + 1).keys()].sort((a, b) => weight(layer, head, at, b) - weight(layer, head, at, a)).slice(0, 3);
      table.textContent = `“${inline(found.tokens[at].text)}” looks at ` + most.map((place) => `“${inline(found.tokens[place].text)}” ${percent(weight(layer, head, at, place))}`).join(', ');
      for (const button of small.children) button.setAttribute('aria-pressed', String(button.dataset.place === `${layer}.${head}`));
    }
    function choose(place) {
      if (place === at) return;
      const focused = document.activeElement?.parentElement === row;
      at = place;
      draw();
      if (focused) row.children[place].focus();
    }
    for (let l = 0; l < found.layers; l += 1) {
      for (let h = 0; h < found.heads; h += 1) {
        const canvas = element('canvas', { width: count, height: count });
        paint(canvas, count, (from, to) => weight(l, h, from, to));
        small.append(element('button', { 'data-place': `${l}.${h}`, onclick: () => { layer = l; head = h; draw(); } }, canvas, `${l + 1}.${h + 1}`));
      }
    }
    big.addEventListener('mousemove', (event) => choose(Math.min(count - 1, Math.floor((event.offsetY / big.clientHeight) * count))));
    draw();
    return [row, table, element('figure', {}, big, caption), element('h2', {}, 'All heads (layer.head)'), small];
  });
  root.append(...looking.nodes);
  looking.ask();
  return looking.leave;
}

function paint(canvas, count, weight) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(count, count);
  const ink = getComputedStyle(document.documentElement).getPropertyValue('--mark').split(',').map(Number);
  for (let from = 0; from < count; from += 1) {
    for (let to = 0; to < count; to += 1) {
      const at = 4 * (from * count + to);
      image.data.set([...ink, to > from ? 0 : 20 + 235 * weight(from, to)], at);
    }
  }
  context.putImageData(image, 0, 0);
}

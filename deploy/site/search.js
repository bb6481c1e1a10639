/* The search of the site: it fetches the index at the first key, and finds as you type. */
const script = document.currentScript;
const { top: above = '' } = script.dataset;
const input = document.querySelector('input[type=search]');
const list = document.querySelector('.found');
let index;

async function search(text) {
  index ??= fetch(`${above}search.json`)
    .then((answer) => answer.text())
    .then((json) =>
      MiniSearch.loadJSON(json, { fields: ['title', 'heading', 'text'], storeFields: ['title', 'heading', 'address'] }),
    );
  const found = (await index).search(text, {
    prefix: true,
    fuzzy: 0.15,
    boost: { title: 4, heading: 3 },
    combineWith: 'AND',
  });
  if (input.value.trim() !== text) return;
  list.replaceChildren(...(found.length > 0 ? found.slice(0, 12).map(describe) : [nothing()]));
  list.hidden = false;
}

function describe({ title, heading, address }) {
  const item = document.createElement('li');
  const link = item.appendChild(document.createElement('a'));
  link.href = above + address;
  link.textContent = heading || title;
  if (heading !== title) link.appendChild(document.createElement('small')).textContent = title;
  return item;
}

function nothing() {
  const item = document.createElement('li');
  item.appendChild(document.createElement('p')).textContent = 'Nothing has these words.';
  return item;
}

input.addEventListener('input', () => {
  const text = input.value.trim();
  if (text === '') list.hidden = true;
  else void search(text);
});
input.form.addEventListener('submit', (event) => {
  event.preventDefault();
  list.querySelector('a')?.click();
});
document.addEventListener('keydown', (event) => {
  const links = [...list.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  if (event.key === '/' && document.activeElement !== input) input.focus();
  else if (event.key === 'Escape') list.hidden = true;
  else if (event.key === 'ArrowDown' && !list.hidden) links[at + 1]?.focus();
  else if (event.key === 'ArrowUp' && at === 0) input.focus();
  else if (event.key === 'ArrowUp' && at > 0) links[at - 1].focus();
  else return;
  event.preventDefault();
});
document.addEventListener('click', ({ target }) => {
  if (!input.form.contains(target)) list.hidden = true;
});

/**
 * Measures every text and every control of the page against its box. It runs in the page, so it uses nothing from outside. A text is at fault if
 * it is cut off, broken within a word or a number, or wider than a box around it; a control, if it is smaller than its words, cut off, or under
 * another control or a message; a box, if it scrolls sideways without being marked with `data-sideways`. While a dialog is open, only what
 * is above the page is measured.
 *
 * @returns {string[]} one sentence for each fault
 */
export function findMisfits() {
  const slack = 1.5;
  /** The font's own height is more than the line's in tight lines, and no letter is that high. */
  const slackBelow = 4;
  /** A name that ends with an ellipsis must show this much of itself. */
  const shownMin = 40;
  /** A word of more characters has no fault of its own if it is broken; neither has an address. */
  const charactersMax = 24;
  const screen = { left: 0, top: 0, right: document.documentElement.clientWidth, bottom: window.innerHeight };
  const layers = '[role=dialog], [role=menu], [role=listbox], [role=alert], [data-portal]';
  const controls =
    'button, a[href], input, textarea, select, summary, [role=button], [role=menuitem], [role=option], .mantine-SegmentedControl-label';
  const faults = new Set();
  /** The widget is measured instead of its host page, if a test opened its shadow root. */
  const root = document.querySelector('aether-widget')?.shadowRoot ?? document;

  const modal = [...root.querySelectorAll('[aria-modal=true]')].findLast((each) => each.checkVisibility());
  const isInScope = (element) =>
    !modal || modal.contains(element) || (element.closest(layers) && !element.closest('[aria-modal=true]'));
  const styles = new Map();
  const styleOf = (element) => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };
  const seen = new Map();
  const isSeen = (element) => {
    if (!seen.has(element))
      seen.set(
        element,
        element.checkVisibility({ contentVisibilityAuto: true, opacityProperty: true, visibilityProperty: true }) &&
          !isForReadersOnly(element),
      );
    return seen.get(element);
  };
  function isForReadersOnly(element) {
    for (let each = element; each; each = each.parentElement) {
      const { clipPath, clip, position } = styleOf(each);
      if (clipPath === 'inset(50%)' || (position === 'absolute' && clip !== 'auto')) return true;
      if (each.classList.contains('skip')) return true;
    }
    return false;
  }
  const nameOf = (element) => {
    const name = element.getAttribute('aria-label') ?? element.innerText ?? element.placeholder ?? '';
    const place = element.closest(
      'section[aria-label], form[aria-label], [role=dialog], [role=table], header, aside, nav',
    );
    const where = place && (place.getAttribute('aria-label') ?? place.tagName.toLowerCase());
    return `“${(name || element.placeholder || element.type || element.tagName).replace(/\s+/g, ' ').slice(0, 48)}”${where ? ` in ${where}` : ''}`;
  };
  const blame = (fault, element) => faults.add(`${fault}: ${nameOf(element)}`);

  /** The ancestors that may clip an element, the nearest first. `sideways` and `down` say how each treats what is beyond it. */
  const chains = new Map();
  function chainOf(element) {
    if (!element) return [];
    if (chains.has(element)) return chains.get(element);
    const chain = [];
    let escapes = styleOf(element).position;
    for (let each = element.parentElement; each; each = each.parentElement) {
      const style = styleOf(each);
      const holds =
        style.transform !== 'none' ||
        style.containerType !== 'normal' ||
        /layout|paint|strict|content/.test(style.contain);
      if (escapes === 'fixed' && !holds) continue;
      if (escapes === 'absolute' && style.position === 'static' && !holds) continue;
      chain.push(boxOf(each));
      escapes = style.position;
    }
    chains.set(element, chain);
    return chain;
  }
  const boxes = new Map();
  function boxOf(element) {
    if (!boxes.has(element)) boxes.set(element, readBox(element, styleOf(element)));
    return boxes.get(element);
  }
  function readBox(element, style) {
    const outer = element.getBoundingClientRect();
    const left = outer.left + element.clientLeft;
    const top = outer.top + element.clientTop;
    return {
      element,
      outer,
      isInline: style.display === 'inline' || style.display === 'contents',
      inner: { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight },
      sideways: style.overflowX,
      down: style.overflowY,
      isShortened: style.textOverflow === 'ellipsis' && style.whiteSpace.startsWith('nowrap'),
      isClamped: style.webkitLineClamp !== 'none',
      isOutOfFlow: style.position === 'absolute' || style.position === 'fixed',
    };
  }
  const meet = (one, other) => ({
    left: Math.max(one.left, other.left),
    top: Math.max(one.top, other.top),
    right: Math.min(one.right, other.right),
    bottom: Math.min(one.bottom, other.bottom),
  });
  const isEmpty = ({ left, top, right, bottom }) => right - left <= 0 || bottom - top <= 0;
  const isCut = (value) => value === 'hidden' || value === 'clip';
  const isScrolled = (value) => value === 'auto' || value === 'scroll';

  /** The part of a rectangle that is on the screen. It blames the element for what no scrolling would show. */
  function show(rect, chain, element, isText) {
    let part = rect;
    let isWithin = true;
    for (const box of chain) {
      if (box.isInline) continue;
      const wide = part.right > box.inner.right + slack || part.left < box.inner.left - slack;
      const high = part.bottom > box.inner.bottom + slackBelow || part.top < box.inner.top - slackBelow;
      if (wide && isCut(box.sideways)) {
        const rest = meet(part, box.inner);
        if (!box.isShortened) blame('cut off at the side', element);
        else if (rest.right - rest.left < Math.min(shownMin, rect.right - rect.left))
          blame('nothing left of it', element);
      } else if (isText && isWithin && !isScrolled(box.sideways)) {
        const { left, right } = box.outer;
        if (part.right > right + slack || part.left < left - slack) blame('wider than its box', element);
      }
      if (high && isCut(box.down) && !box.isClamped && !isScrolled(box.sideways)) blame('cut off below', element);
      if (box.sideways !== 'visible' || box.down !== 'visible') part = meet(part, box.inner);
      if (isEmpty(part)) return undefined;
      if (box.isOutOfFlow || box.sideways !== 'visible') isWithin = false;
    }
    if (part.left < screen.left - slack || part.right > screen.right + slack) blame('beside the screen', element);
    if (part.top < screen.top - slackBelow || part.bottom > screen.bottom + slackBelow)
      blame('below the screen', element);
    return meet(part, screen);
  }

  const range = document.createRange();
  function findBrokenWords(node, parent) {
    const linesOf = () => {
      const tops = [...range.getClientRects()].filter(({ width }) => width > 0.5).map(({ top }) => Math.round(top));
      return tops.some((top) => Math.abs(top - tops[0]) > 3);
    };
    range.selectNodeContents(node);
    if (!linesOf()) return;
    // A space that does not break belongs to the word: it is within a number or an amount.
    for (const { 0: word, index } of node.data.matchAll(/[^\s]+(?:[\u00a0\u202f][^\s]+)*/g)) {
      if (
        word.includes('@') ||
        word.includes('://') ||
        /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word)
      )
        continue;
      for (const { 0: piece, index: within } of word.matchAll(/[^-‐–—/]+/g)) {
        if (piece.length < 2 || piece.length > charactersMax) continue;
        range.setStart(node, index + within);
        range.setEnd(node, index + within + piece.length);
        if (linesOf()) blame(`broken within ${piece}`, parent);
      }
    }
  }

  const texts = document.createTreeWalker(root.body ?? root, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const parent = node.parentElement;
    if (node.data.trim() === '' || /^(SCRIPT|STYLE|OPTION|TITLE|TEXTAREA)$/.test(parent.tagName)) continue;
    if (!isInScope(parent) || !isSeen(parent)) continue;
    range.selectNodeContents(node);
    const chain = [boxOf(parent), ...chainOf(parent)];
    for (const rect of range.getClientRects()) if (rect.width > 0.5) show(rect, chain, parent, true);
    findBrokenWords(node, parent);
    const control = parent.closest('button, [role=button]');
    if (!control) continue;
    const box = control.getBoundingClientRect();
    range.selectNodeContents(node);
    const words = range.getBoundingClientRect();
    if (
      !chain.some(({ isShortened }) => isShortened) &&
      (words.right > box.right + slack || words.left < box.left - slack)
    )
      blame('smaller than its words', control);
  }

  const paper = document.createElement('canvas').getContext('2d');
  /** Fields that show a placeholder, a date or a choice. What a person types may be longer than its field. */
  function measureField(field) {
    const style = styleOf(field);
    const room = field.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight);
    if (/^(date|datetime-local|time|month)$/.test(field.type)) {
      const { width, minWidth } = field.style;
      const now = field.getBoundingClientRect().width;
      field.style.width = 'max-content';
      field.style.minWidth = '0';
      const needed = field.getBoundingClientRect().width;
      field.style.width = width;
      field.style.minWidth = minWidth;
      if (needed > now + slack) blame(`narrower than its date by ${Math.ceil(needed - now)} px`, field);
      return;
    }
    const isChoice = field.readOnly || field.getAttribute('aria-haspopup') === 'listbox' || field.tagName === 'SELECT';
    const shown = field.tagName === 'SELECT' ? (field.selectedOptions[0]?.text ?? '') : field.value;
    const text = shown === '' ? field.placeholder : isChoice ? shown : '';
    if (!text || field.tagName === 'TEXTAREA' || /^(checkbox|radio|file|color|range)$/.test(field.type)) return;
    paper.font = style.font;
    const needed = paper.measureText(text).width;
    const enough = shown === '' ? needed : Math.min(needed, 96);
    if (enough > room + slack) blame(`narrower than “${text.slice(0, 30)}” by ${Math.ceil(enough - room)} px`, field);
  }

  const placed = [];
  for (const element of root.querySelectorAll(`${controls}, .mantine-Notification-root`)) {
    if (!isInScope(element) || !isSeen(element) || styleOf(element).pointerEvents === 'none') continue;
    if (element.matches('input, textarea, select')) measureField(element);
    const chain = chainOf(element);
    const whole = element.getBoundingClientRect();
    if (whole.width > 2 && (whole.width < 14 || whole.height < 14)) blame('too small to be hit', element);
    for (const rect of element.getClientRects()) {
      if (rect.width < 2 || rect.height < 2) continue;
      const part = show(rect, chain, element, false);
      if (part && !isEmpty(part)) placed.push({ element, part });
    }
  }
  /** Scrolling brings out what is under a bar that sticks. */
  const isSticky = (element) => {
    for (let each = element; each; each = each.parentElement) if (styleOf(each).position === 'sticky') return true;
    return false;
  };
  const layerOf = (element) =>
    element.closest('.mantine-Notification-root') ? undefined : (element.closest(layers) ?? document.body);
  for (const [index, one] of placed.entries()) {
    for (const other of placed.slice(index + 1)) {
      const shared = meet(one.part, other.part);
      if (shared.right - shared.left <= 2 || shared.bottom - shared.top <= 2) continue;
      if (isSticky(one.element) !== isSticky(other.element)) continue;
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const wrapper = one.element.closest('.mantine-Input-wrapper, label');
      if (wrapper?.contains(other.element)) continue;
      const [layer, otherLayer] = [layerOf(one.element), layerOf(other.element)];
      // What a person opened covers the page, and a message covers nothing but what is marked for that.
      if ((!layer || !otherLayer) && [one, other].some(({ element }) => element.closest('[data-under-messages]')))
        continue;
      if (layer && otherLayer && layer !== otherLayer) continue;
      blame(`under ${nameOf(other.element)}`, one.element);
    }
  }
  for (const element of root.querySelectorAll('*')) {
    if (element.scrollWidth <= element.clientWidth + 1 || !isScrolled(styleOf(element).overflowX)) continue;
    if (
      element.matches('input, textarea') ||
      element.closest('[data-sideways]') ||
      !isInScope(element) ||
      !isSeen(element)
    )
      continue;
    blame(`scrolls sideways by ${element.scrollWidth - element.clientWidth} px`, element);
  }
  return [...faults];
}

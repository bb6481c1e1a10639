/**
 * Gives the focus back to a control that was disabled while its change was saved: the browser takes the focus from it, and the next key
 * would go nowhere. If the person has gone elsewhere meanwhile, the focus stays there.
 */
export function keepFocus(page: Document): void {
  let last: EventTarget | null = null;
  page.addEventListener('focusin', ({ target }) => {
    last = target;
  });
  page.addEventListener('pointerdown', ({ target }) => {
    if (last instanceof Node && target instanceof Node && !last.contains(target)) last = null;
  });
  new MutationObserver((changes) => {
    const isBack = changes.some(
      ({ target }) => target === last && target instanceof Element && !target.hasAttribute('disabled'),
    );
    if (isBack && page.activeElement === page.body) (last as HTMLElement).focus({ preventScroll: true });
  }).observe(page, { subtree: true, attributeFilter: ['disabled'] });
}

import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';

const fields = 'input, textarea';
/** On a device without a mouse, a focused text field shows the keyboard over half of the screen. */
const touch = '(pointer: coarse)';

/**
 * Keeps the focus in the open panel. When the focused control goes or is disabled, the focus moves to the element with `data-first`, so
 * that the next letters and Escape are heard. Somebody who touches the screen and was not typing gets no keyboard: the panel itself is
 * focused then.
 */
export function useFocus(root: RefObject<HTMLElement | null>, isOpen: boolean): void {
  // With the panel, not after it was painted: on a busy device that is later than the first letters, which would then go into another field.
  useLayoutEffect(() => {
    const panel = root.current;
    if (!panel || !isOpen) return;
    const place = panel.getRootNode() as ShadowRoot;
    let held: HTMLElement | null = null;

    const settle = (wasTyping: boolean) => {
      const first = panel.querySelector<HTMLElement>('[data-first]');
      const isUnasked = !wasTyping && first?.matches(fields) && matchMedia(touch).matches;
      (first && !isUnasked ? first : panel).focus();
    };
    const isGone = (element: HTMLElement) => !element.isConnected || element.matches(':disabled');
    const check = () => {
      // If the visitor is on the page behind, the focus stays there.
      const isOurs = [null, document.body, place.host].includes(document.activeElement);
      if (held && isGone(held) && isOurs) settle(held.matches(fields));
    };
    const take = ({ target }: FocusEvent) => {
      held = target as HTMLElement;
    };
    const leave = ({ target }: FocusEvent) => {
      setTimeout(() => {
        const isLeft = held === target && !isGone(held as HTMLElement) && place.activeElement !== held;
        if (isLeft) held = null;
      });
    };
    panel.addEventListener('focusin', take);
    panel.addEventListener('focusout', leave);
    const changes = new MutationObserver(check);
    changes.observe(panel, { subtree: true, childList: true, attributeFilter: ['disabled'] });
    settle(false);
    return () => {
      changes.disconnect();
      panel.removeEventListener('focusin', take);
      panel.removeEventListener('focusout', leave);
    };
  }, [root, isOpen]);
}

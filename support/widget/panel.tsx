import { render } from 'preact';
import { openChat } from './chat/chat.ts';
import type { Config } from './chat/server.ts';
import { fill, wordsOf } from './chat/words.ts';
import { Panel } from './view/Panel.tsx';
import { styles } from './view/styles.ts';

/** The values that the loader, which runs first, passes on. */
export type Launch = {
  root: ShadowRoot;
  launcher: HTMLButtonElement;
  badge: HTMLElement;
  base: string;
  key: string;
  config: Config;
  /** Signed by the host page; an empty text says that nobody is signed in there. */
  identity: string | undefined;
  /** What the host page says that its visitors read. */
  language: string | undefined;
};

export type Launched = { open(isOpen: boolean): void; identify(token: string): void };

/** Draws the panel into the launcher's shadow root, and continues the stored conversation. */
export function launch({ root, launcher, badge, base, key, config, identity, language }: Launch): Launched {
  const words = wordsOf(config.language, config.texts);
  const chat = openChat({ base, key, config, identity, language });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  const place = document.createElement('div');
  root.append(place);
  let isOpen = false;

  function draw(): void {
    render(<Panel chat={chat} config={config} words={words} isOpen={isOpen} onClose={() => open(false)} />, place);
    describe();
  }
  /** The button says what it does, and how many messages are unread. */
  function describe(): void {
    const { unread } = chat.getView();
    launcher.setAttribute('aria-expanded', String(isOpen));
    const label = isOpen ? words.close : words.open;
    launcher.setAttribute(
      'aria-label',
      unread && !isOpen ? `${label}, ${fill(words.unread, { count: unread })}` : label,
    );
    badge.hidden = isOpen || unread === 0;
    badge.textContent = String(unread);
  }
  function open(next: boolean): void {
    if (isOpen && !next) launcher.focus();
    isOpen = next;
    chat.show(next); // before anything is drawn: it decides whether new messages count as read
    draw();
  }
  chat.subscribe(describe);
  launcher.addEventListener('keydown', ({ key: pressed }) => pressed === 'Escape' && open(false));
  draw();
  return { open, identify: (token) => void chat.identify(token) };
}

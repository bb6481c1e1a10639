import { useEffect, useRef, useState } from 'preact/hooks';
import { type Chat, isOffline, type View } from '../chat/chat.ts';
import { textOn } from '../chat/contrast.ts';
import type { Config } from '../chat/server.ts';
import { fill, type Words } from '../chat/words.ts';
import { Composer } from './Composer.tsx';
import { Intro } from './Intro.tsx';
import { Rating } from './Rating.tsx';
import { Thread } from './Thread.tsx';
import { useFocus } from './useFocus.ts';
import { useNews } from './useNews.ts';
import { useView } from './useView.ts';

/** On screens this narrow the panel covers the whole page. */
const wholeScreen = '(max-width: 480px)';

/** The open chat: a dialog that begins with the head and ends with the text field. */
export function Panel({
  chat,
  config,
  words,
  isOpen,
  onClose,
}: {
  chat: Chat;
  config: Config;
  words: Words;
  isOpen: boolean;
  onClose: () => void;
}) {
  const view = useView(chat);
  const root = useRef<HTMLDivElement>(null);
  const isWhole = useMedia(wholeScreen);
  const prefersDark = useMedia('(prefers-color-scheme: dark)');
  const isDark = config.theme.mode === 'dark' || (config.theme.mode === 'auto' && prefersDark);
  const [said, say] = useNews(view, words);
  const isEnded = view.session?.status === 'ended';
  const mayResume = isEnded && Date.parse(view.session?.reopens_until ?? '') > Date.now();
  const endsAt = endOf(view);
  const isLeft = view.outbox.some(({ state }) => state === 'ended');
  useFocus(root, isOpen);

  useEffect(() => {
    root.current?.style.setProperty('--accent', config.theme.color);
    root.current?.style.setProperty('--on-accent', textOn(config.theme.color));
  }, [config]);

  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation(); // keys typed here are not the host page's
    if (event.key === 'Escape' && !event.isComposing) onClose();
    if (event.key === 'Tab' && isWhole) keepFocus(event, root.current);
  };

  // It is over, whether or not the visitor may go on with it.
  const rating =
    view.rating === 'asked' ? (
      <Rating key={view.changes} chat={chat} words={words} />
    ) : view.rating === 'given' ? (
      <p role="status">{words.thanks}</p>
    ) : null;
  return (
    <div
      ref={root}
      class="root"
      role="dialog"
      tabIndex={-1}
      aria-label={words.title}
      aria-modal={isWhole}
      hidden={!isOpen}
      lang={config.language}
      data-dark={isDark || undefined}
      data-position={config.theme.position}
      onKeyDown={onKeyDown}
      onKeyUp={(event) => event.stopPropagation()}
      onKeyPress={(event) => event.stopPropagation()}
    >
      <header>
        <div>
          <h2>{words.title}</h2>
          <p>{subtitleOf(config, words, view.session?.agent?.name)}</p>
        </div>
        <button type="button" class="icon" aria-label={words.close} onClick={onClose}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" />
          </svg>
        </button>
      </header>
      {view.mustIntroduce ? (
        <Intro chat={chat} view={view} words={words} isOffline={isOffline(config)} />
      ) : (
        <>
          {view.session?.identity === 'verified' && view.session.visitor_name && (
            <p class="note">{fill(words.verified, { name: view.session.visitor_name })}</p>
          )}
          <Thread chat={chat} view={view} config={config} words={words} />
          {!view.isConnected && <p class="note">{words.reconnecting}</p>}
          {view.refusal && <p class="note bad">{view.refusal}</p>}
          {endsAt && <p class="note">{fill(words.ending, { time: sayTime(endsAt, config.language) })}</p>}
          {mayResume && !isLeft && (
            <div class="bar">
              <span>{words.ended}</span> <span>{words.resume}</span>{' '}
              <button type="button" class="plain" onClick={() => chat.startAnew()}>
                {words.again}
              </button>
            </div>
          )}
          {mayResume && !isLeft && rating && <div class="foot over">{rating}</div>}
          {isEnded && (isLeft || !mayResume) ? (
            <div class="foot over">
              <p>{words.ended}</p>
              {rating}
              <button type="button" class="start" data-first onClick={() => chat.startAnew()}>
                {isLeft ? words.onward : words.again}
              </button>
            </div>
          ) : (
            <>
              {!isEnded && (view.session ? view.session.handler === 'bot' : config.bot !== null) && (
                <div class="bar">
                  {view.isAsking ? (
                    words.asking
                  ) : (
                    <button type="button" class="plain" onClick={() => chat.askForPerson()}>
                      {words.person}
                    </button>
                  )}
                </div>
              )}
              <Composer
                key={`${view.changes} ${view.edits}`}
                chat={chat}
                words={words}
                isEdited={view.edits > 0}
                say={say}
              />
            </>
          )}
        </>
      )}
      <div class="unseen" role="status">
        {said}
      </div>
    </div>
  );
}

function subtitleOf(config: Config, words: Words, agent: string | undefined): string {
  if (agent) return agent;
  if (!isOffline(config)) return words.subtitle;
  if (!config.opens_at) return '';
  return fill(words.opens, { time: sayTime(new Date(config.opens_at), config.language) });
}

const dayMs = 86_400_000;
const weekMs = 6 * dayMs;

/** A moment as the visitor's clock shows it: within a week the day's name is enough. */
function sayTime(at: Date, language: string): string {
  const isFar = at.getTime() - Date.now() > weekMs;
  return at.toLocaleString(language, {
    weekday: 'long',
    ...(isFar && { day: 'numeric', month: 'long' }),
    hour: '2-digit',
    minute: '2-digit',
  });
}

/** When the conversation ends by itself, if that is within a day; not while the visitor waits for an answer. */
function endOf({ session, thread }: View): Date | undefined {
  const last = thread.at(-1);
  if (session?.status !== 'active' || !session.ends_after_hours || !last || last.author === 'visitor') return undefined;
  const hoursMs = session.ends_after_hours * 3_600_000;
  const at = new Date(Date.parse(last.created_at) + hoursMs);
  // Where it ends within hours, the first half of them is quiet.
  const isSoon = at.getTime() - Date.now() < Math.min(dayMs, hoursMs / 2);
  return isSoon && at.getTime() > Date.now() ? at : undefined;
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const hear = () => setMatches(media.matches);
    media.addEventListener('change', hear);
    return () => media.removeEventListener('change', hear);
  }, [query]);
  return matches;
}

/** Keeps the focus within the panel: the page behind it cannot be seen. */
function keepFocus(event: KeyboardEvent, root: HTMLElement | null): void {
  const stops = [
    ...(root?.querySelectorAll<HTMLElement>('button, input, textarea, a[href], [tabindex="0"]') ?? []),
  ].filter((stop) => !stop.hasAttribute('disabled') && stop.offsetParent !== null);
  const now = (root?.getRootNode() as ShadowRoot | undefined)?.activeElement;
  const [first, last] = [stops[0], stops.at(-1)];
  const leaves = event.shiftKey ? now === first || now === root : now === last;
  if (!leaves) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}

import { whoIs } from './identity.ts';
import { type Attempt, atAfter, newId, type Pending } from './outbox.ts';
import { createSender } from './sender.ts';
import { type Config, connectServer, type SessionState } from './server.ts';
import type { Session } from './session.ts';
import { type Kept, nothing, openStorage } from './storage.ts';
import { followStream } from './stream.ts';
import { lastWhole, type Message, merge, type SentFile, unreadIn } from './thread.ts';
import { uploadFile } from './upload.ts';

/** The state that the panel shows. */
export type View = {
  thread: Message[];
  outbox: Pending[];
  session: SessionState | null;
  hasSession: boolean;
  visitor: Kept['visitor'];
  /** The name of the person who types at the other end; '' if it is unknown. */
  typing: string | null;
  /** Whether messages of the agents arrive, and the server answers. */
  isConnected: boolean;
  /** Whether a message is tried again after a while. */
  isDelayed: boolean;
  /** The visitor has asked for a person, and the server does not know it yet. */
  isAsking: boolean;
  /** How the conversation was: to be asked, or answered just now. */
  rating: 'asked' | 'given' | null;
  /** The visitor has to give a name and an address first. */
  mustIntroduce: boolean;
  /** How often a message was put back into the text field. */
  edits: number;
  /** How often the person has changed, whose half-written text is in the text field. */
  changes: number;
  unread: number;
  /** The visitor has read up to this message. */
  read: number;
  /** Why the conversation could not be opened, in the server's words. */
  refusal: string | null;
};

export type Chat = ReturnType<typeof openChat>;

type Parts = {
  base: string;
  key: string;
  config: Config;
  /** Signed by the host page; an empty text says that nobody is signed in there. */
  identity?: string | undefined;
  /** What the host page says that its visitors read. */
  language?: string | undefined;
};

const typingMs = 6_000;

/**
 * A visitor's conversation. The page's storage keeps each message until the server has it. One tab at a time sends them in order. The
 * chat
 * follows the server's messages. Every tab of a site shows the same.
 */
export function openChat({ base, key, config, identity, language }: Parts) {
  const server = connectServer(base, key);
  const storage = openStorage(key);
  const listeners = new Set<() => void>();
  let thread: Message[] = [];
  let state: SessionState | null = null;
  let typing: { name: string; timer: ReturnType<typeof setTimeout> } | null = null;
  let isLineOpen = true;
  let delay: Extract<Attempt, { kind: 'later' }> | undefined;
  let identityToken: string | undefined;
  /** The person for whom this page vouches. */
  let vouchedFor = 0;
  let edits = 0;
  let changes = 0;
  let refusal: string | null = null;
  let following: { session: Session; stop(): void } | undefined;
  let isShown = false;
  let view = look();

  /** The conversation of a person for whom a page has vouched is hidden on a page that does not: they may have signed out there. */
  function isHidden({ who } = storage.read()): boolean {
    return who !== null && who !== vouchedFor;
  }
  function readShown(): Kept {
    const kept = storage.read();
    return isHidden(kept) ? nothing : kept;
  }
  function readOutbox(): Pending[] {
    return isHidden() ? [] : storage.outbox();
  }
  function forget(): void {
    storage.clear();
    refusal = null;
    follow();
  }
  /** Whoever begins to write forgets what is hidden. */
  function takeOver(): void {
    if (isHidden()) forget();
  }

  function look(): View {
    const kept = readShown();
    return {
      thread,
      outbox: readOutbox(),
      session: kept.session ? state : null,
      hasSession: kept.session !== null,
      visitor: kept.visitor,
      typing: typing?.name ?? null,
      isConnected: isLineOpen && !delay?.isCut,
      isDelayed: delay !== undefined,
      isAsking: kept.asks,
      rating: ratingOf(kept),
      mustIntroduce: mustIntroduce(kept),
      edits,
      changes,
      unread: unreadIn(thread, kept.read).length,
      read: kept.read,
      refusal,
    };
  }
  function ratingOf({ session, skipped }: Kept): View['rating'] {
    if (!session || !state) return null;
    if (state.rating) return 'given';
    return state.asks_rating && skipped !== session.id ? 'asked' : null;
  }
  function mustIntroduce({ session, visitor }: Kept): boolean {
    if (session || visitor || identityToken !== undefined) return false;
    return config.ask === 'before' || isOffline(config);
  }
  function tell(): void {
    view = look();
    for (const listener of listeners) listener();
  }

  /** Follows the conversation that may be shown, unless it is followed already. */
  function follow(): void {
    const { session } = readShown();
    if (following && session && following.session.id === session.id && following.session.token === session.token)
      return;
    const isOther = following?.session.id !== session?.id;
    following?.stop();
    following = undefined;
    if (isOther) {
      thread = [];
      state = null;
      isLineOpen = true;
    }
    if (session) {
      const stop = followStream({
        open: (signal) => server.stream(session, lastWhole(thread), signal),
        onMessage: (message) => take(session, [message]),
        onState: (next) => {
          state = next;
          tell();
        },
        onTyping: showTyping,
        onLine: (isOpen) => {
          if (isLineOpen === isOpen) return;
          isLineOpen = isOpen;
          if (isOpen) void sender.sendAll();
          tell();
        },
        onStranger: () => lose(session),
      });
      following = { session, stop };
    }
    tell();
  }

  function take(session: Session, messages: Message[]): void {
    if (following?.session.id !== session.id) return;
    thread = merge(thread, messages);
    for (const { author, client_id } of messages) if (author === 'visitor') storage.drop(client_id);
    if (messages.some(({ author }) => author !== 'visitor')) showTyping(null);
    if (lastWhole(thread) < thread.length) void readGap(session);
    if (isShown) markRead();
    tell();
  }

  async function readGap(session: Session): Promise<void> {
    const { attempt, body } = await server.read(session, lastWhole(thread));
    if (attempt.kind === 'taken' && body) take(session, body.messages);
  }

  /** The token is dead: another tab has a newer one, or the conversation cannot continue. */
  function lose(session: Session): void {
    const kept = storage.read().session;
    if (kept?.id === session.id && kept.token === session.token) storage.write({ session: null, read: 0 });
    follow();
  }

  function showTyping(name: string | null): void {
    clearTimeout(typing?.timer);
    typing = name === null ? null : { name, timer: setTimeout(() => showTyping(null), typingMs) };
    tell();
  }

  const sender = createSender({
    lock: `aether:${key}`,
    storage,
    server,
    begin,
    onTaken: (session, message) => take(session, [message]),
    onLater: (attempt) => {
      if (delay === attempt) return;
      delay = attempt;
      tell();
    },
    onEnded: ({ id }) => {
      if (state && following?.session.id === id) state = { ...state, status: 'ended' };
      tell(); // the visitor begins a new one, or leaves it
    },
    onStranger: lose,
    onChange: tell,
  });

  /** Opens a conversation for the messages to be sent. */
  async function begin(): Promise<{ session: Session } | { attempt: Attempt } | undefined> {
    const kept = storage.read();
    if (isHidden(kept)) return undefined; // unsent messages wait for their person
    const { visitor } = kept;
    if (mustIntroduce(kept)) {
      tell();
      return undefined;
    }
    const token = identityToken;
    const opening = {
      ...(token ? { identity_token: token } : visitor),
      ...(isOffline(config) && { is_offline: true }),
      ...describePage(language),
      // A server of an earlier version refuses what it does not know, and a widget of one language need not say it.
      ...(config.languages?.length && { widget_language: config.language }),
    };
    const { attempt, body } = await server.open(opening);
    if (attempt.kind === 'taken' && body) {
      refusal = null;
      const session = { id: body.session_id, token: body.visitor_token };
      storage.write({ session, read: 0, who: token ? whoIs(token) : null });
      follow();
      return { session };
    }
    if (attempt.kind === 'later') return { attempt };
    if (token) {
      identityToken = undefined; // the host page's token is invalid: then the visitor gives an address
      return begin();
    }
    if (visitor && attempt.kind === 'refused') {
      refusal = attempt.reason;
      storage.write({ visitor: null });
      return begin();
    }
    return { attempt };
  }

  function markRead(): void {
    const { session, read } = readShown();
    const last = thread.at(-1)?.number ?? 0;
    if (!session || last <= read || document.visibilityState === 'hidden') return;
    storage.write({ read: last });
    void server.tell(session, 'read', { number: last });
  }

  const unlisten = storage.listen(() => {
    follow();
    tell();
    void sender.sendAll();
  });
  const onVisible = () => {
    if (!isShown) return;
    markRead();
    tell();
  };
  document.addEventListener('visibilitychange', onVisible);
  const onOnline = () => void sender.sendAll();
  addEventListener('online', onOnline);
  if (identity !== undefined) void identify(identity);
  follow();
  void sender.sendAll();

  /** The host page says who the visitor is, or that nobody is signed in: what another person has left here is forgotten. */
  async function identify(token: string): Promise<void> {
    const { session, who } = storage.read();
    const now = whoIs(token);
    identityToken = token || undefined;
    if (who !== null && now !== vouchedFor) changes += 1;
    vouchedFor = now;
    if (who !== null && who !== now && (now !== 0 || token === '')) forget();
    else if (session && who === null && token) {
      const { attempt, body } = await server.verify(session, token);
      if (attempt.kind !== 'taken' || !body) return;
      storage.write({ session: { id: session.id, token: body.visitor_token }, who: now });
    }
    follow();
    tell();
  }

  return {
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    getView: (): View => view,

    /** Keeps a message and sends it as soon as it can be. */
    write(body: string, questionId?: string, files?: SentFile[]): void {
      takeOver();
      const at = atAfter(storage.outbox(), Date.now());
      const question = questionId ? { question_id: questionId } : {};
      storage.put({ client_id: newId(), body, ...question, ...(files?.length && { files }), at, state: 'waiting' });
      tell();
      void sender.sendAll();
    },
    /** Uploads a file to the conversation, which it opens if there is none. @throws the code of a refusal */
    upload: (file: File, signal: AbortSignal, onShare: (share: number) => void): Promise<SentFile> =>
      uploadFile(server, sender.sessionOrNew, { file, clientId: newId(), signal, onShare }),
    /** The bytes of a file of the conversation. */
    async file(file: SentFile, variant?: string): Promise<File | undefined> {
      const { session } = readShown();
      return session ? server.file(session, file, variant) : undefined;
    },
    /** Sends it again under the same client_id: if the server had taken it, it is not taken twice. */
    retry({ reason: _, ...pending }: Pending): void {
      storage.put({ ...pending, state: 'waiting' });
      tell();
      void sender.sendAll();
    },
    /** Puts it back into the text field, before what is there. */
    edit({ client_id, body }: Pending): void {
      const draft = storage.draft();
      storage.drop(client_id);
      storage.keepDraft(draft ? `${body}\n${draft}` : body);
      edits += 1;
      tell();
    },
    discard({ client_id }: Pending): void {
      storage.drop(client_id);
      tell();
    },
    draft: (): string => (isHidden() ? '' : storage.draft()),
    keepDraft(text: string): void {
      if (!isHidden()) storage.keepDraft(text);
    },
    /** The visitor gives a name and an address. */
    introduce(visitor: { email: string; name: string }): void {
      takeOver();
      refusal = null;
      storage.write({ visitor });
      tell();
      void sender.sendAll();
    },
    /** Leaves the ended conversation; what it did not take goes into the next one. */
    startAnew(): void {
      for (const pending of storage.outbox())
        if (pending.state === 'ended') storage.put({ ...pending, state: 'waiting' });
      storage.write({ session: null, read: 0, asks: false });
      follow();
      void sender.sendAll();
    },
    /** Says how the ended conversation was. @returns whether the server has it */
    async rate(score: number, comment: string): Promise<boolean> {
      const { session } = readShown();
      if (!session) return false;
      const { attempt } = await server.rate(session, { score, ...(comment && { comment }) });
      if (attempt.kind !== 'taken') return false;
      if (state && following?.session.id === session.id) state = { ...state, rating: score, asks_rating: false };
      tell();
      return true;
    },
    /** It is not asked again. */
    skipRating(): void {
      const { session } = readShown();
      if (session) storage.write({ skipped: session.id });
      tell();
    },
    /** Asks for a person instead of the bot, as soon as it can be done. */
    askForPerson(): void {
      takeOver();
      storage.write({ asks: true });
      tell();
      void sender.sendAll();
    },
    type(isTyping: boolean): void {
      const { session } = readShown();
      if (session && state?.status !== 'ended') void server.tell(session, 'typing', { is_typing: isTyping });
    },
    show(isOpen: boolean): void {
      isShown = isOpen;
      if (isOpen) markRead();
      tell();
    },
    /** The host page gives a signed identity, or an empty text: the visitor has signed out. */
    identify,
    close(): void {
      following?.stop();
      unlisten();
      sender.close();
      document.removeEventListener('visibilitychange', onVisible);
      removeEventListener('online', onOnline);
    },
  };
}

/** Neither an agent nor a bot answers at present: the visitor leaves a question. */
export const isOffline = ({ is_online, bot }: Config): boolean => !is_online && bot === null;

const charactersMax = { url: 2_000, title: 300 };

/** The page from which the visitor writes. The parts after # and ? may be private and are omitted. */
function describePage(said?: string) {
  const { origin, pathname, protocol } = location;
  const url = `${origin}${pathname}`;
  const title = document.title
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, charactersMax.title)
    .replace(/[\uD800-\uDBFF]$/, ''); // no half of an emoji
  const isWeb = /^https?:$/.test(protocol) && url.length <= charactersMax.url;
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  // What the page says may be no language at all.
  const language = said && /^[a-z]{2,8}(-[a-z\d]{1,8}){0,3}$/i.test(said) ? said : navigator.language;
  return {
    ...(isWeb && { page: { url, ...(title && { title }) } }),
    ...(language && { language }),
    ...(timeZone && { time_zone: timeZone }),
  };
}

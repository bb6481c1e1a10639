import { isQuiet, useWishes } from '@aether/ui/attention/wishes.ts';
import { showBadge } from '@aether/ui/badge.ts';
import { notifyDesktop } from '@aether/ui/desktop.ts';
import { type Apps, openNotice } from '@aether/ui/inbox/places.ts';
import { soundOnce, useInboxNews, useUnread } from '@aether/ui/inbox/useInbox.ts';
import { isInSight, markInSight } from '@aether/ui/tabs.ts';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent, useMemo, useRef } from 'react';
import { inboxQuery } from '../api/inbox.ts';
import type { OwnAgent } from '../api/records.ts';
import { countWaiting, findNotices, type Notice, type Waiting } from './notices.ts';

/** More than these at once are one notification. */
const noticesShownMax = 3;
/** Tells a person of what waits: a sound, a notification if no tab of Support is in sight, and a number in the tab's title and icon. */
export function useAttention({ id: personId, agent, apps }: { id: string; agent: OwnAgent | null; apps: Apps }): void {
  const [wishes] = useWishes(personId);
  const navigate = useNavigate();
  const isAgent = agent !== null;
  const { data: own } = useInfiniteQuery({ ...inboxQuery({ view: 'mine' }), enabled: isAgent });
  const { data: nobodys } = useInfiniteQuery({ ...inboxQuery({ view: 'unassigned' }), enabled: isAgent });
  const waiting = useMemo<Waiting | undefined>(
    () =>
      own &&
      nobodys && {
        mine: own.pages.flatMap(({ sessions }) => sessions),
        unassigned: nobodys.pages.flatMap(({ sessions }) => sessions),
      },
    [own, nobodys],
  );
  const former = useRef<Waiting>(undefined);

  const tell = useEffectEvent(async (notices: Notice[]) => {
    const isThere = agent?.availability === 'online';
    const wanted = notices.filter(({ kind }) => kind !== 'waiting' || (wishes.unassigned && isThere));
    const isSeen = document.visibilityState === 'visible';
    const rest = wanted.filter(({ session }) => !(isSeen && location.pathname.endsWith(`/sessions/${session}`)));
    if (rest.length === 0 || isQuiet(wishes, new Date())) return;
    if (wishes.sound) void soundOnce();
    if (!wishes.desktop || (await isInSight())) return;
    if (rest.length > noticesShownMax)
      return notifyDesktop({
        title: `${rest.length} conversations wait for you`,
        tag: 'support.several',
        onOpen: () => void navigate({ to: '/inbox', search: { view: 'mine' } }),
      });
    for (const { session, title, body } of rest)
      notifyDesktop({
        title,
        body,
        tag: `support.${session}`,
        onOpen: () => void navigate({ to: '/sessions/$id', params: { id: session }, search: { view: 'mine' } }),
      });
  });

  useEffect(markInSight, []);
  // A handed conversation is unread itself, and is not counted and told of twice.
  const unread = useUnread();
  const notices = unread ? unread.unread - unread.handed_over : 0;
  useInboxNews({
    wishes,
    isTold: ({ kind }) => kind === 'handover' && isAgent,
    onOpen: (notice) => openNotice(notice, { own: 'support', apps, go: (path) => void navigate({ to: path }) }),
    onOpenInbox: () => void navigate({ to: '/notices' }),
  });
  useEffect(() => {
    if (agent && !waiting) return;
    showBadge(notices + (waiting && agent ? countWaiting(waiting, agent.id, wishes.unassigned) : 0));
  }, [waiting, agent, wishes.unassigned, notices]);
  useEffect(() => {
    const before = former.current;
    former.current = waiting;
    // What was there when the page was opened is no news.
    if (before && waiting && agent) void tell(findNotices(before, waiting, agent.id));
  }, [waiting, agent]);
}

import { type QueryClient, useQuery } from '@tanstack/react-query';
import { useEffect, useEffectEvent, useRef } from 'react';
import { isQuiet, type Wishes } from '../attention/wishes.ts';
import { notifyDesktop } from '../desktop.ts';
import type { LiveFeed } from '../live.ts';
import { maySound, playNotes } from '../sound.ts';
import { inOneTab, isInSight } from '../tabs.ts';
import { type Notice, readNewest, unreadQuery } from './calls.ts';
import { sayAbout, sayNotice } from './words.ts';

/** Signals within this time cause one look. */
const gatherMs = 300;

/** Keeps the inbox fresh: a signal of the stream says that it has changed. */
export function followInbox(client: QueryClient, feed: Pick<LiveFeed, 'followSignals'>): void {
  let isGathering = false;
  feed.followSignals(({ kind }) => {
    if (kind !== 'notices' || isGathering) return;
    isGathering = true;
    setTimeout(() => {
      isGathering = false;
      void client.invalidateQueries({ queryKey: ['notices'] });
    }, gatherMs);
  });
}

/** How many notices wait; undefined until it is known. */
export const useUnread = () => useQuery(unreadQuery).data;

/** More than these at once are one notification. */
const shownMax = 3;
/** Several tabs hear of the same notice within this time, and one of them sounds. */
const soundRestMs = 1_500;

/** A tab that was never used is silent, and must not take the turn of one that is not. */
export async function soundOnce(): Promise<void> {
  if (await maySound()) await inOneTab('sound', soundRestMs, playNotes);
}

type Telling = {
  wishes: Wishes;
  /** What the app tells of in another way. */
  isTold: (notice: Notice) => boolean;
  onOpen: (notice: Notice) => void;
  onOpenInbox: () => void;
};

/** Tells of what comes into the inbox: by a sound, and on the desktop if no tab of the app is in sight. What was there before is no news. */
export function useInboxNews({ wishes, isTold, onOpen, onOpenInbox }: Telling): void {
  const latest = useUnread()?.latest_at;
  const former = useRef<string | null>(undefined);
  const tell = useEffectEvent(async (since: string | null) => {
    if (isQuiet(wishes, new Date())) return;
    const newest = await readNewest(shownMax + 1).catch(() => []);
    const news = newest.filter((each) => !each.read_at && (since === null || each.at > since) && !isTold(each));
    if (news.length === 0) return;
    if (wishes.sound) void soundOnce();
    if (!wishes.desktop || (await isInSight())) return;
    if (news.length > shownMax)
      return notifyDesktop({ title: 'Several notices in your inbox', tag: 'inbox.several', onOpen: onOpenInbox });
    for (const notice of news)
      notifyDesktop({
        title: sayNotice(notice),
        body: sayAbout(notice),
        tag: `inbox.${notice.id}.${notice.at}`,
        onOpen: () => onOpen(notice),
      });
  });
  useEffect(() => {
    if (latest === undefined) return;
    const before = former.current;
    former.current = latest;
    if (before !== undefined && latest !== null && (before === null || latest > before)) void tell(before);
  }, [latest]);
}
